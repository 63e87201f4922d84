# Made by scripts/unasync.py from _async/object.py; change that file instead.
"""One object of a bucket."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from moss.sdk._sync.multipart import MultipartUpload
from moss.sdk._sync.object_client import ObjectClient
from moss.sdk._sync.reader import ObjectReader
from moss.sdk._sync.session import RequestClient
from moss.sdk._sync.writer import ObjectWriter
from moss.sdk.answers import Answer
from moss.sdk.archive_config import ArchiveConfig
from moss.sdk.blob_download_config import BlobDownloadConfig
from moss.sdk.namespace import Namespace
from moss.sdk.obj.object_props import ObjectProps
from moss.sdk.operations import DIRECT, Request, action, bucket_query, object_path
from moss.sdk.provider import Provider
from moss.sdk.reading import EtlByName, check_options, etl_query, get_options
from moss.sdk.types import BucketModel

if TYPE_CHECKING:
    from moss.sdk._sync.bucket import Bucket

__all__ = ["Object"]

_HEAD_PROPS = "name,size,checksum,atime,version,copies,custom,location,ec,chunked,last-modified,etag"
_PROPS = "checksum,atime,version,copies,custom,location"


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
    def props(self) -> ObjectProps:
        """Properties, always asked for anew."""
        return self.head(_PROPS)

    def head(self, props: str = "") -> ObjectProps:
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
        answer = self._session.call(Request("HEAD", self._path(), query, DIRECT))
        self._props = ObjectProps(answer.headers)
        return self._props

    def head_v2(self, props: str = "") -> ObjectProps:
        """Same as `head`, with `name,size` by default."""
        return self.head(props or "name,size")

    def get_reader(
        self,
        archive_config: ArchiveConfig | None = None,
        blob_download_config: BlobDownloadConfig | None = None,
        chunk_size: int | None = None,
        etl: Any = None,
        writer: Any = None,
        latest: bool = False,
        byte_range: str | None = None,
        direct: bool = False,
        num_workers: int | None = None,
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
            num_workers: read so many ranges at the same time; at least 2.

        Raises:
            ValueError: a malformed range, or options that exclude each other.
        """
        check_options(byte_range=byte_range, blob=blob_download_config, etl=etl, num_workers=num_workers)
        headers = None if blob_download_config is None else blob_download_config.headers()
        query = self._get_query(archive_config, etl, latest)
        uname = self.uname if direct else None
        client = ObjectClient(self._session, self._path(), query, headers, byte_range, uname)
        reader = ObjectReader(client, chunk_size, num_workers)
        if writer is not None:
            for piece in reader:
                writer.write(piece)
        return reader

    def _get_query(self, archive_config: ArchiveConfig | None, etl: Any, latest: bool) -> list[tuple[str, str]]:
        query = self._query()
        if archive_config is not None:
            query += archive_config.query()
        query += etl_query(etl)
        if latest:
            query.append(("latest-ver", "true"))
        return query

    def get(self, *arguments: Any, **options: Any) -> ObjectReader:
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
        reader = self.get_reader(**reader_options)
        reader.start()
        if writer is not None:
            for piece in reader:
                writer.write(piece)
        return reader

    def get_writer(self) -> ObjectWriter:
        """Make a writer; sends nothing."""
        return ObjectWriter(self._session, self._path(), self._query())

    def put_content(self, content: Any) -> Answer:
        """Store bytes, see `ObjectWriter.put_content`."""
        return self.get_writer().put_content(content)

    def put_file(self, path: str | Path) -> Answer:
        """Store a file, see `ObjectWriter.put_file`."""
        return self.get_writer().put_file(path)

    def append_content(self, content: bytes, handle: str = "", flush: bool = False) -> str:
        """Append, see `ObjectWriter.append_content`."""
        warnings.warn("use get_writer().append_content", DeprecationWarning, stacklevel=2)
        return self.get_writer().append_content(content, handle, flush)

    def set_custom_props(self, custom_metadata: dict[str, str], replace_existing: bool = False) -> Answer:
        """Set custom metadata, see `ObjectWriter.set_custom_props`."""
        warnings.warn("use get_writer().set_custom_props", DeprecationWarning, stacklevel=2)
        return self.get_writer().set_custom_props(custom_metadata, replace_existing)

    def multipart_upload(self) -> MultipartUpload:
        """An upload in parts; sends nothing before its `create`."""
        return MultipartUpload(self._session, self._path(), self._query())

    def copy(self, to_obj: "Object", etl: Any = None, latest: bool = False, sync: bool = False) -> Answer:
        """Copy the object within the cluster, or store what a transformation makes of it.

        Args:
            to_obj: the destination, in any bucket; it is overwritten.
            etl: `ETLConfig` of a transformation.
            latest: let the cluster check that it has the latest version of a remote object.
            sync: as `latest`, and remove the object when it was removed remotely.

        Raises:
            ErrObjNotFound: it does not exist.
            ErrBckNotFound: the bucket of the destination does not exist.
        """
        query = [
            *self._query(),
            ("object_to", to_obj.uname),
            ("latest-ver", _word(latest)),
            ("synchronize", _word(sync)),
        ]
        return self._session.call(Request("PUT", self._path(), [*query, *etl_query(etl)]))

    def promote(
        self,
        path: str,
        target_id: str = "",
        recursive: bool = False,
        overwrite_dest: bool = False,
        delete_source: bool = False,
        src_not_file_share: bool = False,
    ) -> str:
        """Store files that the targets see at `path` of their own disks. The object's name is the name of one file,
        or the prefix of the names of a folder's files.

        Args:
            path: an absolute path below the folders that the cluster allows.
            target_id: only this target promotes.
            recursive: folders below the folder too.
            overwrite_dest: replace objects that exist.
            delete_source: remove the files afterwards.
            src_not_file_share: every target has files of its own there.

        Returns:
            Id of the job; empty when everything was done at once.

        Raises:
            AISError: status 404 when there is no such file, 400 when the path is not allowed.
        """
        value = {
            "tid": target_id,
            "src": str(path),
            "obj": self._name,
            "rcr": recursive,
            "ovw": overwrite_dest,
            "dls": delete_source,
            "notshr": src_not_file_share,
        }
        return self._act_on_bucket("promote", str(path), value)

    def blob_download(
        self, chunk_size: int | str | None = None, num_workers: int | None = None, latest: bool = False
    ) -> str:
        """Let the cluster fetch a remote object in several ranges at once.

        Args:
            chunk_size: bytes of a range, as number or text (`1MiB`); the cluster chooses without one.
            num_workers: ranges at the same time; the cluster chooses without one.
            latest: also when the cluster has another version already.

        Returns:
            Id of the job; empty when the object is there already.
        """
        value: dict[str, Any] = {"latest-ver": latest}
        if chunk_size:
            value["chunk-size"] = chunk_size
        if num_workers:
            value["num-workers"] = num_workers
        return self._act_on_bucket("blob-download", self._name, value)

    def _act_on_bucket(self, name: str, target: str, value: dict[str, Any]) -> str:
        path = f"/objects/{quote(self.bucket_name, safe='')}"
        body = action(name, target=target, value=value)
        return (self._session.call(Request("POST", path, self._query(), body=body))).text.strip()

    def delete(self) -> Answer:
        """Delete the object.

        Raises:
            AISError: status 404 when it does not exist.
        """
        return self._session.call(Request("DELETE", self._path(), self._query()))

    def get_semantic_url(self) -> str:
        """`provider://bucket/name`, not escaped."""
        return f"{self.bucket_provider}://{self.bucket_name}/{self._name}"

    def get_url(self, archpath: str = "", etl: Any = None, *, etl_name: str | None = None) -> str:
        """HTTP URL of the object at the gateway."""
        query = self._query()
        if archpath:
            query.append(("archpath", archpath))
        query += etl_query(etl or EtlByName(etl_name))
        return Request("GET", self._path(), query).url(self._session.base_url)

    def __repr__(self) -> str:
        return f"Object({self.get_semantic_url()!r})"


def _word(flag: bool) -> str:
    return "true" if flag else "false"
