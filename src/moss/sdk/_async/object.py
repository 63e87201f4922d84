"""One object of a bucket."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moss.sdk._async.reader import ObjectReader
from moss.sdk._async.session import RequestClient
from moss.sdk._async.writer import ObjectWriter
from moss.sdk.answers import Answer
from moss.sdk.archive_config import ArchiveConfig
from moss.sdk.blob_download_config import BlobDownloadConfig
from moss.sdk.namespace import Namespace
from moss.sdk.obj.object_props import ObjectProps
from moss.sdk.operations import DIRECT, Request, bucket_query, object_path
from moss.sdk.provider import Provider
from moss.sdk.reading import EtlByName, check_range, get_options
from moss.sdk.types import BucketModel
from moss.wire import headers as names

if TYPE_CHECKING:
    from moss.sdk._async.bucket import Bucket

__all__ = ["Object"]

_HEAD_PROPS = "name,size,checksum,atime,version,copies,custom,location,ec,chunked,last-modified,etag"
_PROPS = "checksum,atime,version,copies,custom,location"
_READER_PROPS = "checksum,atime,version,custom"


class Object:
    """One object. Making one sends nothing.

    Args:
        session: the way to the cluster.
        bucket: the bucket it is in.
        name: any name; components `.` and `..` are refused when it is used.
        props: properties that are known already, from a listing.
    """

    def __init__(self, session: RequestClient, bucket: "Bucket", name: str, props: ObjectProps | None = None) -> None:
        self._session, self._bucket, self._name, self._props = session, bucket, name, props

    @property
    def name(self) -> str:
        return self._name

    @property
    def bucket(self) -> "Bucket":
        return self._bucket

    @property
    def bucket_name(self) -> str:
        return self._bucket.name

    @property
    def bucket_provider(self) -> Provider:
        return self._bucket.provider

    @property
    def bucket_namespace(self) -> Namespace | None:
        return self._bucket.namespace

    @property
    def query_params(self) -> dict[str, str]:
        return dict(self._query())

    @property
    def uname(self) -> str:
        """Unique name, `ais/@#/bucket/name`."""
        return BucketModel(self.bucket_name, self.bucket_provider, self._bucket.namespace).get_path() + self._name

    def _query(self) -> list[tuple[str, str]]:
        return bucket_query(self.bucket_provider, self._bucket.namespace)

    def _path(self) -> str:
        return object_path(self.bucket_name, self._name)

    @property
    def props_cached(self) -> ObjectProps | None:
        """Properties of the last answer or listing, or None; never sends a request."""
        return self._props

    @property
    async def props(self) -> ObjectProps:
        """Properties, always asked for anew."""
        return await self.head(_PROPS)

    async def head(self, props: str = "") -> ObjectProps:
        """Ask for properties.

        Args:
            props: comma list of `name,size,checksum,atime,version,copies,custom,location,ec,chunked,last-modified,
                etag`; empty asks for all.

        Returns:
            The properties, which are also a mapping of the answer's header fields.

        Raises:
            AISError: status 404 when the object does not exist (a HEAD answer may say no more than that).
        """
        query = [*self._query(), ("props", props or _HEAD_PROPS)]
        answer = await self._session.call(Request("HEAD", self._path(), query, DIRECT))
        self._props = ObjectProps(answer.headers)
        return self._props

    async def head_v2(self, props: str = "") -> ObjectProps:
        """Same as `head`, with `name,size` by default."""
        return await self.head(props or "name,size")

    async def get_reader(
        self,
        archive_config: ArchiveConfig | None = None,
        blob_download_config: BlobDownloadConfig | None = None,
        chunk_size: int | None = None,
        etl: Any = None,
        writer: Any = None,
        latest: bool = False,
        byte_range: str | None = None,
        direct: bool = False,
    ) -> ObjectReader:
        """Make a reader. Nothing is sent before its first read, except with `writer`.

        Args:
            archive_config: members of an archive instead of the whole.
            blob_download_config: let the cluster download a remote object in parallel.
            chunk_size: bytes of the pieces when iterating.
            etl: `ETLConfig` of a transformation.
            writer: binary file that receives the content at once; the caller closes it.
            latest: let the cluster check that it has the latest version of a remote object.
            byte_range: `bytes=a-b`, `bytes=a-` or `bytes=-n`.
            direct: ask the target that owns the object, without the gateway.

        Raises:
            ValueError: a malformed range, or one together with a blob download.
        """
        if byte_range is not None:
            check_range(byte_range)
            if blob_download_config is not None:
                raise ValueError("Cannot use both byte range and blob download")
        query = self._get_query(archive_config, etl, latest)
        headers = dict(DIRECT)
        if blob_download_config is not None:
            headers.update(blob_download_config.headers())
        if byte_range is not None:
            headers[names.RANGE] = byte_range
        session, path, uname = self._session, self._path(), self.uname

        async def build() -> Request:
            base = None
            if direct:
                node = (await session.get_smap()).get_target_for_object(uname)
                base = f"{node.public_net.direct_url.rstrip('/')}/v1"
            return Request("GET", path, query, headers, base=base)

        head = Request("HEAD", path, [*self._query(), ("props", _READER_PROPS)], DIRECT)
        reader = ObjectReader(session, build, head, chunk_size)
        if writer is not None:
            async for piece in reader:
                writer.write(piece)
        return reader

    def _get_query(self, archive_config: ArchiveConfig | None, etl: Any, latest: bool) -> list[tuple[str, str]]:
        query = self._query()
        if archive_config is not None:
            query += archive_config.query()
        if etl is not None:
            parameters: dict[str, str] = {}
            etl.update_qparams(parameters)
            query += parameters.items()
        if latest:
            query.append(("latest-ver", "true"))
        return query

    async def get(self, *arguments: Any, **options: Any) -> ObjectReader:
        """Get the object: the request is sent now, so that a missing object raises here.

        Both orders of positional arguments are understood: `(archpath, chunk_size, etl_name, writer, latest,
        byte_range)`, and `(archive_config, blob_download_config, chunk_size, etl, writer, latest, byte_range)` when an
        `ArchiveConfig` or a `BlobDownloadConfig` stands there. All of them, and `direct`, can be given by name.

        Returns:
            A reader that uses the open answer for its first read.

        Raises:
            ErrObjNotFound: it does not exist.
            ValueError: options that exclude each other.
        """
        reader_options = get_options(arguments, options)
        writer = reader_options.pop("writer", None)
        reader = await self.get_reader(**reader_options)
        await reader.start()
        if writer is not None:
            async for piece in reader:
                writer.write(piece)
        return reader

    def get_writer(self) -> ObjectWriter:
        """Make a writer; sends nothing."""
        return ObjectWriter(self._session, self._path(), self._query())

    async def put_content(self, content: Any) -> Answer:
        """Store bytes, see `ObjectWriter.put_content`."""
        return await self.get_writer().put_content(content)

    async def put_file(self, path: str | Path) -> Answer:
        """Store a file, see `ObjectWriter.put_file`."""
        return await self.get_writer().put_file(path)

    async def append_content(self, content: bytes, handle: str = "", flush: bool = False) -> str:
        """Append, see `ObjectWriter.append_content`."""
        warnings.warn("use get_writer().append_content", DeprecationWarning, stacklevel=2)
        return await self.get_writer().append_content(content, handle, flush)

    async def set_custom_props(self, custom_metadata: dict[str, str], replace_existing: bool = False) -> Answer:
        """Set custom metadata, see `ObjectWriter.set_custom_props`."""
        warnings.warn("use get_writer().set_custom_props", DeprecationWarning, stacklevel=2)
        return await self.get_writer().set_custom_props(custom_metadata, replace_existing)

    async def delete(self) -> Answer:
        """Delete the object.

        Raises:
            AISError: status 404 when it does not exist.
        """
        return await self._session.call(Request("DELETE", self._path(), self._query()))

    def get_semantic_url(self) -> str:
        """`provider://bucket/name`, not escaped."""
        return f"{self.bucket_provider}://{self.bucket_name}/{self._name}"

    def get_url(self, archpath: str = "", etl: Any = None, *, etl_name: str | None = None) -> str:
        """HTTP URL of the object at the gateway."""
        query = self._query()
        if archpath:
            query.append(("archpath", archpath))
        if etl is not None or etl_name:
            parameters: dict[str, str] = {}
            (etl or EtlByName(etl_name)).update_qparams(parameters)
            query += parameters.items()
        return Request("GET", self._path(), query).url(self._session.base_url)

    def __repr__(self) -> str:
        return f"Object({self.get_semantic_url()!r})"
