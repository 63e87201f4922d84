"""Downloads: what the cluster fetches from the internet by itself."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from moss.sdk._async.bucket import Bucket
from moss.sdk._async.session import RequestClient
from moss.sdk.const import DEFAULT_JOB_WAIT_TIMEOUT
from moss.sdk.errors import Timeout
from moss.sdk.job_messages import bucket_value
from moss.sdk.job_types import parse_time
from moss.sdk.operations import Request
from moss.sdk.polling import next_wait_s
from moss.sdk.transport.aio import monotonic, sleep
from moss.sdk.wait_result import WaitResult
from moss.wire.download import DownloadStatus

__all__ = ["Download"]


class Download:
    """A download, of any number of files. Making one sends nothing.

    Args:
        client: the way to the cluster.
        download_id: of a download that was started before.
    """

    def __init__(self, client: RequestClient, download_id: str = "") -> None:
        self._session, self._download_id = client, download_id

    @property
    def download_id(self) -> str:
        """The id, empty before `start`."""
        return self._download_id

    async def start(
        self,
        bucket: Bucket,
        links: str | Sequence[str] | Mapping[str, str],
        name: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        description: str = "",
        connections: int = 0,
        bytes_per_hour: int = 0,
        timeout: str = "",
    ) -> str:
        """Start fetching. The bucket is made when it is not there.

        Args:
            links: one link; a template of links, as in `https://host/{000..099}.tar`; several links; or links by the
                names of their objects.
            name: of the object of one link, the last part of the link without it; of several, a folder for them.
            headers: sent with every request.
            description: what the download is called in lists.
            connections: of each target at the same time; 0 leaves it to the cluster.
            bytes_per_hour: at most so much; 0 is no limit.
            timeout: give a file up after so long, as in `5m`.

        Returns:
            Its id.

        Raises:
            AISError: the cluster refuses it.
        """
        limits = {"connections": connections, "bytes_per_hour": bytes_per_hour}
        message = _source(links, name) | {"description": description, "timeout": timeout, "limits": limits}
        if headers:
            message["headers"] = {key: [value] for key, value in headers.items()}
        return await self.start_message(bucket, message)

    async def start_message(self, bucket: Bucket, message: Mapping[str, Any]) -> str:
        """Start what a message of the wire says (without its `bucket`); returns its id. Raises as `start`."""
        body = msgspec.json.encode({"bucket": bucket_value(bucket.as_model()), **message})
        # Sent twice, it would download twice.
        answer = await self._call("POST", "", body, is_idempotent=False)
        self._download_id = str(msgspec.json.decode(answer.content)["id"])
        return self._download_id

    async def status(self) -> DownloadStatus:
        """Ask for the status, with the files under way and those that failed.

        Raises:
            AISError: status 404 when the cluster knows no such download.
        """
        body = msgspec.json.encode({"id": self._download_id, "regex": "", "only_active_tasks": False})
        return msgspec.json.decode((await self._call("GET", "", body)).content, type=DownloadStatus)

    async def wait(self, timeout: float = DEFAULT_JOB_WAIT_TIMEOUT) -> WaitResult:
        """Wait until everything was fetched, or given up.

        Args:
            timeout: seconds.

        Returns:
            How it ended: false when it was aborted or a file failed; the error names the first.

        Raises:
            Timeout: it is not done in time.
        """
        started_s = monotonic()
        while (status := await self.status()).finished_time.startswith("1970-"):
            elapsed_s = monotonic() - started_s
            if elapsed_s >= timeout:
                raise Timeout(f"download '{self._download_id}'", f"after {timeout}s")
            await sleep(next_wait_s(elapsed_s, timeout))
        error = "aborted" if status.aborted else _error_of(status)
        return WaitResult(self._download_id, error is None, error, parse_time(status.finished_time))

    async def abort(self) -> None:
        """Stop it; what was fetched stays."""
        await self._call("DELETE", "/abort", msgspec.json.encode({"id": self._download_id}))

    async def remove(self) -> None:
        """Forget it, when it is over.

        Raises:
            AISError: status 400 while it runs.
        """
        await self._call("DELETE", "/remove", msgspec.json.encode({"id": self._download_id}))

    async def _call(self, method: str, path: str, body: bytes, *, is_idempotent: bool | None = None) -> Any:
        return await self._session.call(Request(method, f"/download{path}", body=body, is_idempotent=is_idempotent))

    def __repr__(self) -> str:
        return f"Download({self._download_id!r})"


def _source(links: str | Sequence[str] | Mapping[str, str], name: str) -> dict[str, Any]:
    """The part of a message that says what to fetch."""
    folder = name.rstrip("/") + "/" if name else ""
    if isinstance(links, Mapping):
        return {"type": "multi", "objects": {folder + key: link for key, link in links.items()}}
    if not isinstance(links, str):
        return {"type": "multi", "objects": {folder + _last_part(link): link for link in links}}
    if "{" in links and "}" in links:
        return {"type": "range", "template": links, "subdir": name.rstrip("/")}
    object_name = name + _last_part(links) if not name or name.endswith("/") else name
    return {"type": "single", "link": links, "object_name": object_name}


def _last_part(link: str) -> str:
    return link.partition("?")[0].rstrip("/").rpartition("/")[2]


def _error_of(status: DownloadStatus) -> str | None:
    if not status.error_cnt:
        return None
    first = next(iter(status.download_errors or ()), None)
    more = f" (and {status.error_cnt - 1} more)" if status.error_cnt > 1 else ""
    return f"{first.name}: {first.error}{more}" if first else f"{status.error_cnt} files failed"
