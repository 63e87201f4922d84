"""Jobs on a whole bucket, and what the cluster knows about one."""

import math
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from moss.errors import MalformedAnswer
from moss.sdk._async.bucket_base import BucketBase
from moss.sdk.answers import Answer
from moss.sdk.argument_orders import takes_no_ext_before
from moss.sdk.enums import FLTPresence
from moss.sdk.errors import Timeout, UnexpectedHTTPStatusCode
from moss.sdk.info_types import decode_inventories
from moss.sdk.job_messages import copy_value, inventory_value, transform_value
from moss.sdk.operations import Request, bucket_path
from moss.sdk.polling import next_wait_s
from moss.sdk.transport.aio import monotonic, sleep
from moss.sdk.types import NBIInfo
from moss.wire import headers as names

__all__ = ["BucketJobs"]

_ACCEPTED, _PARTIAL = 202, 206


class BucketJobs(BucketBase):
    """The part of `Bucket` that starts jobs and asks for summaries."""

    async def rename(self, to_bck_name: str) -> str:
        """Give the bucket another name. This object has the new name at once; the cluster, when the job is done.

        Returns:
            The id of the job.

        Raises:
            InvalidBckProvider: buckets of clouds cannot be renamed.
            ErrBckAlreadyExists: a bucket of the new name exists.
        """
        self._require_ais()
        target = type(self)(to_bck_name, self._session, self._provider, self._namespace)
        answer = await self.make_request("POST", "move-bck", params=self._with_target(target))
        self._name = to_bck_name
        return answer.text.strip()

    def _with_target(self, to_bck: BucketBase) -> dict[str, str]:
        return {**self.qparam, "bck_to": to_bck.get_path()}

    async def evict(self, keep_md: bool = False) -> None:
        """Remove a cloud bucket from the cluster; the cloud keeps it.

        Args:
            keep_md: keep the bucket's properties.

        Raises:
            InvalidBckProvider: the bucket is the cluster's own.
        """
        self.verify_cloud_bucket()
        await self.make_request("DELETE", "evict-remote-bck", params={**self.qparam, "keep_bck_md": str(keep_md)})

    @takes_no_ext_before(4)
    async def copy(
        self,
        to_bck: BucketBase,
        prefix_filter: str = "",
        prepend: str = "",
        ext: dict[str, str] | None = None,
        dry_run: bool = False,
        force: bool = False,
        latest: bool = False,
        sync: bool = False,
        num_workers: int | None = 0,
    ) -> str:
        """Copy the bucket to another one, which is made if need be.

        Older releases took `(to_bck, prefix_filter, prepend, dry_run, force)`: a bool in the place of `ext` is taken
        for `dry_run`, and so on.

        Args:
            prefix_filter: only objects whose names begin like this.
            prepend: put before each name.
            ext: new extensions of names by old ones.
            dry_run: copy nothing, only count.
            force: even while a limited job runs.
            latest: of a cloud bucket, copy the latest versions.
            sync: of a cloud bucket, also delete what is gone there.
            num_workers: workers of each target; 0 leaves it to the cluster.

        Returns:
            The id of the job.
        """
        value = copy_value(
            prefix=prefix_filter, prepend=prepend, ext=ext, dry_run=dry_run, force=force, latest=latest, sync=sync,
            num_workers=num_workers,
        )  # fmt: skip
        answer = await self.make_request("POST", "copy-bck", value, self._with_target(to_bck))
        return answer.text.strip()

    async def transform(
        self,
        etl_name: str,
        to_bck: BucketBase,
        timeout: str = "5m",
        prefix_filter: str = "",
        prepend: str = "",
        ext: dict[str, str] | None = None,
        force: bool = False,
        dry_run: bool = False,
        latest: bool = False,
        sync: bool = False,
        num_workers: int | None = 0,
        cont_on_err: bool = False,
        etl_pipeline: Sequence[str] | None = None,
    ) -> str:
        """Transform the bucket into another one.

        Args:
            etl_name: a running transformation.
            timeout: for each object.
            cont_on_err: go on when an object fails.
            etl_pipeline: further transformations, in order.
            (others): as for `copy`.

        Returns:
            The id of the job.
        """
        value = transform_value(
            etl_name, timeout, etl_pipeline, prefix=prefix_filter, prepend=prepend, ext=ext, dry_run=dry_run,
            force=force, latest=latest, sync=sync, num_workers=num_workers, continue_on_error=cont_on_err,
        )  # fmt: skip
        answer = await self.make_request("POST", "etl-bck", value, self._with_target(to_bck))
        return answer.text.strip()

    async def inspect(
        self,
        etl_name: str,
        timeout: str = "5m",
        prefix_filter: str = "",
        latest: bool = False,
        num_workers: int | None = None,
        etl_pipeline: Sequence[str] | None = None,
    ) -> str:
        """Try a transformation on the bucket and keep nothing of it. Returns the id of the job."""
        return await self.transform(
            etl_name, self, timeout, prefix_filter, dry_run=True, latest=latest, num_workers=num_workers,
            cont_on_err=True, etl_pipeline=etl_pipeline,
        )  # fmt: skip

    async def summary(
        self, uuid: str = "", prefix: str = "", cached: bool = True, present: bool = True
    ) -> dict[str, Any]:
        """Count the bucket's objects and bytes.

        Args:
            uuid: of a summary that was started before.
            prefix: only objects whose names begin like this.
            cached: only objects that are in the cluster.
            present: only if the bucket is in the cluster.

        Returns:
            The summary as the cluster writes it.

        Raises:
            UnexpectedHTTPStatusCode: the cluster did not take the question as one to be answered later.
            Timeout: the client has a deadline (`RetryConfig.deadline_s`), and it is over.
            ErrBckNotFound: the bucket does not exist.
        """
        value = {"uuid": uuid, "prefix": prefix, "cached": cached, "present": present}
        answer = await self.make_request("GET", "summary-bck", value)
        _expect(answer, _ACCEPTED)
        value["uuid"] = answer.text.strip().strip('"')
        started_s = monotonic()
        while (answer := await self.make_request("GET", "summary-bck", value)).status_code in (_ACCEPTED, _PARTIAL):
            await self._pause(started_s)
        _expect(answer, 200)
        found = _json(answer.content)
        if not isinstance(found, list) or not found:
            raise MalformedAnswer("a summary without the bucket in it")
        return dict(found[0])

    async def info(
        self, flt_presence: int = FLTPresence.FLT_EXISTS, bsumm_remote: bool = True, prefix: str = ""
    ) -> tuple[str, dict[str, Any]]:
        """Ask for the bucket's properties together with its summary.

        Args:
            flt_presence: which buckets count, a value of `FLTPresence`.
            bsumm_remote: count what is in the cloud only, too.
            prefix: only objects whose names begin like this.

        Returns:
            The properties as JSON text, and the summary.

        Raises:
            ValueError: `flt_presence` is none.
            UnexpectedHTTPStatusCode: the cluster did not take the question as one to be answered later.
            Timeout: the client has a deadline (`RetryConfig.deadline_s`), and it is over.
            ErrBckNotFound: the bucket does not exist.
        """
        if flt_presence not in list(FLTPresence):
            raise ValueError("`flt_presence` must be in values of enum FLTPresence")
        path = bucket_path(self._name)
        query = [*self._query(), ("presence", str(int(flt_presence))), ("bsumm_remote", str(bsumm_remote))]
        answer = await self._head_of(f"{path}/{quote(prefix)}" if prefix else path, query)
        _expect(answer, _ACCEPTED)
        props = answer.headers.get(names.BUCKET_PROPS, "")
        # The cluster keeps the prefix with the id.
        query.append(("uuid", answer.headers.get(names.XACTION_ID, "")))
        started_s = monotonic()
        while (answer := await self._head_of(path, query)).status_code in (_ACCEPTED, _PARTIAL):
            await self._pause(started_s)
        _expect(answer, 200)
        summary = _json(answer.headers.get(names.BUCKET_SUMMARY, "{}").encode("utf-8", "surrogateescape"))
        return answer.headers.get(names.BUCKET_PROPS, "") or props or "{}", summary

    async def _pause(self, started_s: float) -> None:
        elapsed_s, deadline_s = monotonic() - started_s, self.client.retry_config.deadline_s or math.inf
        if elapsed_s >= deadline_s:
            raise Timeout(f"the summary of bucket {self._name}", f"after {deadline_s}s")
        await sleep(next_wait_s(elapsed_s, deadline_s))

    async def _head_of(self, path: str, query: list[tuple[str, str]]) -> Answer:
        return await self.client.call(Request("HEAD", path, list(query)))

    async def create_inventory(
        self, name: str = "", prefix: str = "", props: str = "", names_per_chunk: int = 0, force: bool = False
    ) -> str:
        """Have the cluster make an inventory of a cloud bucket, to list from later.

        Args:
            name: empty leaves it to the cluster, like all that is left out.
            props: comma list of what to keep of each object.
            names_per_chunk: size of its parts.
            force: even if there is an inventory.

        Returns:
            The id of the job.
        """
        value = inventory_value(name, prefix, props, names_per_chunk, force)
        return (await self.make_request("POST", "create-inventory", value)).text.strip()

    async def destroy_inventory(self, name: str = "") -> None:
        """Delete an inventory, or all of them."""
        await self.make_request("DELETE", "destroy-inventory", name=name)

    async def show_inventory(self, name: str = "") -> dict[str, NBIInfo]:
        """Inventories of the bucket, or the one of this name, by the names of their objects."""
        return decode_inventories((await self.make_request("GET", "show-inventory", name=name)).content)


def _expect(answer: Answer, status: int) -> None:
    if answer.status_code != status:
        raise UnexpectedHTTPStatusCode([status], answer.status_code)


def _json(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedAnswer(f"not a summary: {error}") from None
