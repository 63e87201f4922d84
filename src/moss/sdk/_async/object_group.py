"""Several objects of a bucket."""

from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any

from moss.sdk._async.object import Object
from moss.sdk._async.session import RequestClient
from moss.sdk.ais_source import AISSource
from moss.sdk.argument_orders import takes_no_ext_before
from moss.sdk.job_ids import JobIds
from moss.sdk.job_messages import archive_value, copy_value, group_value, prefetch_value, transform_value
from moss.sdk.multiobj.object_collection import ObjectCollection
from moss.sdk.multiobj.object_names import ObjectNames
from moss.sdk.multiobj.object_range import ObjectRange
from moss.sdk.multiobj.object_template import ObjectTemplate
from moss.sdk.transport.aio_tasks import for_each

if TYPE_CHECKING:
    from moss.sdk._async.bucket import Bucket

__all__ = ["ObjectGroup"]

_WINDOW = 256
_HEADS_AT_A_TIME = 8


class ObjectGroup(AISSource):
    """Objects of one bucket: of these names, of a range of numbers, or of a template. Making one sends nothing.

    What is started here works in the cluster; give the returned id to `Client.job` to wait for it.

    Args:
        bck: the bucket.
        obj_names, obj_range, obj_template: exactly one of them.

    Raises:
        ValueError: none or several selections, or an empty one.
        TypeError: `obj_range` is none.
    """

    def __init__(
        self,
        bck: "Bucket",
        obj_names: Iterable[str] | None = None,
        obj_range: ObjectRange | None = None,
        obj_template: str | None = None,
    ) -> None:
        if obj_names is not None:
            obj_names = [obj_names] if isinstance(obj_names, str) else list(obj_names)
        given = [selection for selection in (obj_names, obj_range, obj_template) if selection is not None]
        if len(given) != 1:
            raise ValueError("ObjectGroup accepts one and only one of: obj_names, obj_range, or obj_template")
        if obj_range is not None and not isinstance(obj_range, ObjectRange):
            raise TypeError("obj_range must be of type ObjectRange")
        if obj_range is None and not given[0]:
            raise ValueError("Object selection must not be empty")
        self.bck = bck
        self._objects: ObjectCollection
        if obj_range is not None:
            self._objects = obj_range
        else:
            self._objects = ObjectTemplate(obj_template) if obj_template else ObjectNames(obj_names or ())

    @property
    def client(self) -> RequestClient:
        """The way to the cluster; can be set, which sets the bucket's."""
        return self.bck.client

    @client.setter
    def client(self, client: RequestClient) -> None:
        self.bck.client = client

    def list_names(self) -> list[str]:
        """The names, as far as they are known here.

        Raises:
            RuntimeError: a range without indices: only the cluster knows them.
        """
        return list(self._objects)

    async def _start(self, method: str, action_name: str, value: dict[str, Any]) -> str:
        return (await self.bck.make_request(method, action_name, value)).text.strip()

    async def delete(self) -> str:
        """Delete the objects. Returns the id of the job.

        Names that do not exist: the others are deleted all the same; of a list of names (not of a range or template)
        the job then reports them as its error.
        """
        return await self._start("DELETE", "delete-listrange", self._objects.get_value())

    async def evict(self) -> str:
        """Remove the cluster's copies of the objects of a cloud bucket. Returns the id of the job.

        Raises:
            InvalidBckProvider: the bucket is the cluster's own.
        """
        self.bck.verify_cloud_bucket()
        return await self._start("DELETE", "evict-listrange", self._objects.get_value())

    async def prefetch(
        self,
        blob_threshold: int | None = None,
        num_workers: int | None = None,
        latest: bool = False,
        continue_on_error: bool = False,
    ) -> str:
        """Fetch the objects of a cloud bucket into the cluster.

        Args:
            blob_threshold: bytes from which on an object is fetched in parallel parts.
            num_workers: workers of each target.
            latest: fetch again what is out of date.
            continue_on_error: go on when an object fails.

        Returns:
            The id of the job.

        Raises:
            InvalidBckProvider: the bucket is the cluster's own.
        """
        self.bck.verify_cloud_bucket()
        value = prefetch_value(
            self._objects.get_value(),
            blob_threshold=blob_threshold,
            num_workers=num_workers,
            latest=latest,
            continue_on_error=continue_on_error,
        )
        return await self._start("POST", "prefetch-listrange", value)

    async def copy(
        self,
        to_bck: "Bucket",
        prepend: str = "",
        continue_on_error: bool = False,
        dry_run: bool = False,
        force: bool = False,
        latest: bool = False,
        sync: bool = False,
        num_workers: int | None = None,
    ) -> JobIds:
        """Copy the objects to a bucket.

        Args:
            prepend: put before each name.
            continue_on_error: go on when an object fails.
            dry_run: copy nothing, only count.
            force: even while a limited job runs.
            latest: of a cloud bucket, copy the latest versions.
            sync: of a cloud bucket, also delete what is gone there.
            num_workers: workers of each target.

        Returns:
            The ids of the jobs; a list whose text is the ids with commas between them.
        """
        value = copy_value(
            prepend=prepend, dry_run=dry_run, force=force, latest=latest, sync=sync, num_workers=num_workers
        )
        value = group_value(self._objects.get_value(), value, to_bck.as_model(), continue_on_error=continue_on_error)
        return JobIds.parse(await self._start("POST", "copy-listrange", value))

    @takes_no_ext_before(5)
    async def transform(
        self,
        to_bck: "Bucket",
        etl_name: str,
        timeout: str = "5m",
        prepend: str = "",
        ext: dict[str, str] | None = None,
        continue_on_error: bool = False,
        dry_run: bool = False,
        force: bool = False,
        latest: bool = False,
        sync: bool = False,
        num_workers: int | None = None,
        etl_pipeline: list[str] | None = None,
    ) -> str:
        """Transform the objects into a bucket.

        Older releases had no `ext`: a bool in its place is taken for `continue_on_error`, and so on.

        Args:
            etl_name: a running transformation.
            timeout: for each object.
            ext: new extensions of names by old ones.
            etl_pipeline: further transformations, in order.
            (others): as for `copy`.

        Returns:
            The id of the job.
        """
        value = transform_value(
            etl_name, timeout, etl_pipeline, prepend=prepend, ext=ext, dry_run=dry_run, force=force, latest=latest,
            sync=sync, num_workers=num_workers,
        )  # fmt: skip
        value = group_value(self._objects.get_value(), value, to_bck.as_model(), continue_on_error=continue_on_error)
        return await self._start("POST", "etl-listrange", value)

    async def inspect(
        self,
        etl_name: str,
        timeout: str = "5m",
        latest: bool = False,
        num_workers: int | None = None,
        etl_pipeline: list[str] | None = None,
    ) -> str:
        """Try a transformation on the objects and keep nothing of it. Returns the id of the job."""
        return await self.transform(
            self.bck, etl_name, timeout, continue_on_error=True, dry_run=True, latest=latest, num_workers=num_workers,
            etl_pipeline=etl_pipeline,
        )  # fmt: skip

    async def archive(
        self,
        archive_name: str,
        mime: str = "",
        to_bck: "Bucket | None" = None,
        include_source_name: bool = False,
        allow_append: bool = False,
        continue_on_err: bool = False,
    ) -> JobIds:
        """Put the objects into an archive.

        Args:
            archive_name: name of the archive's object.
            mime: `.tar`, `.tgz`, `.zip`, `.tar.lz4`; by default the ending of `archive_name` says it.
            to_bck: bucket of the archive; by default that of the objects.
            include_source_name: put the bucket before the names of the members.
            allow_append: add to the archive if it exists.
            continue_on_err: go on when an object fails.

        Returns:
            The ids of the jobs; a list whose text is the ids with commas between them.
        """
        value = archive_value(
            self._objects.get_value(),
            archive_name,
            mime,
            (to_bck or self.bck).as_model(),
            include_source_name=include_source_name,
            allow_append=allow_append,
            continue_on_error=continue_on_err,
        )
        return JobIds.parse(await self._start("PUT", "archive", value))

    async def list_urls(self, prefix: str = "", etl: Any = None) -> AsyncIterator[str]:
        """Iterate over the HTTP URLs of the objects.

        Args:
            prefix: only those whose names begin like this.
            etl: `ETLConfig` of a transformation.
        """
        for name in self._names(prefix):
            yield self.bck.object(name).get_url(etl=etl)

    async def list_all_objects_iter(self, prefix: str = "", props: str | None = "name,size") -> AsyncIterator[Object]:
        """Iterate over the objects.

        Args:
            prefix: only those whose names begin like this.
            props: what to ask of each object, kept in its `props_cached`; None asks nothing.

        Raises:
            ErrObjNotFound: an object does not exist (not when nothing is asked).
        """

        async def ask(obj: Object) -> Object:
            await obj.head(props or "")
            return obj

        window: list[Object] = []
        for name in self._names(prefix):
            if props is None:
                yield self.bck.object(name)
                continue
            window.append(self.bck.object(name))
            if len(window) == _WINDOW:
                for obj in await for_each(ask, window, _HEADS_AT_A_TIME):
                    yield obj
                window = []
        for obj in await for_each(ask, window, _HEADS_AT_A_TIME):
            yield obj

    def _names(self, prefix: str) -> Iterable[str]:
        return (name for name in self._objects if name.startswith(prefix))

    def __repr__(self) -> str:
        return f"ObjectGroup({self.bck!r}, {self._objects!r})"
