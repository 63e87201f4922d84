"""Distributed sorts."""

import logging
from pathlib import Path
from typing import Any

import msgspec

from moss.sdk._async.bucket import Bucket
from moss.sdk._async.session import RequestClient
from moss.sdk.dsort.framework import DsortFramework, read_spec
from moss.sdk.dsort.types import JobInfo, decode_job_infos
from moss.sdk.errors import Timeout
from moss.sdk.job_types import parse_time
from moss.sdk.operations import Request
from moss.sdk.polling import next_wait_s
from moss.sdk.transport.aio import monotonic, sleep
from moss.sdk.wait_result import WaitResult

__all__ = ["Dsort"]

_log = logging.getLogger("moss.sdk.dsort")
_TIMEOUT_S = 300
_KEY_MAP_NAME = "ekm-file.json"


class Dsort:
    """A distributed sort. Making one sends nothing.

    Args:
        client: the way to the cluster.
        dsort_id: of a sort that was started before.
    """

    def __init__(self, client: RequestClient, dsort_id: str = "") -> None:
        self._session, self._dsort_id = client, dsort_id

    @property
    def dsort_id(self) -> str:
        return self._dsort_id

    async def start(self, spec: str | Path | DsortFramework) -> str:
        """Start a sort.

        Args:
            spec: what it shall do, or a JSON or YAML file that is sent as it is. A map of records to shards is stored
                as the object `ekm-file.json` in the bucket of the input.

        Returns:
            Its id.

        Raises:
            ValueError: the file is no specification.
            AISError: the cluster refuses it.
        """
        value = await self._spec_of(spec) if isinstance(spec, DsortFramework) else read_spec(spec)
        # Sent twice, it would sort twice.
        self._dsort_id = (await self._call("POST", "/sort", body=msgspec.json.encode(value))).text.strip()
        return self._dsort_id

    async def _spec_of(self, framework: DsortFramework) -> dict[str, Any]:
        spec, key_map = framework.to_spec(), framework.key_map
        if key_map is not None:
            model = framework.input_shards.bck
            obj = Bucket(model.name, self._session, model.provider, model.namespace).object(_KEY_MAP_NAME)
            await obj.get_writer().put_content(msgspec.json.encode(key_map.as_dict()))
            spec |= {"ekm_file": obj.get_url(), "ekm_file_sep": ""}
        return spec

    async def abort(self) -> None:
        """Stop it; harmless when it is finished."""
        await self._call("DELETE", "/sort/abort", [("uuid", self._dsort_id)])

    async def get_job_info(self) -> dict[str, JobInfo]:
        """What every target says about it, by the target's id."""
        return decode_job_infos((await self._call("GET", "/sort", [("uuid", self._dsort_id)])).content)

    async def wait(self, timeout: float = _TIMEOUT_S, verbose: bool = True) -> WaitResult:
        """Wait until every target made its shards, or it was stopped.

        Args:
            timeout: seconds.
            verbose: tell the logger `moss.sdk.dsort` about it.

        Returns:
            How it ended.

        Raises:
            Timeout: it is not done in time.
        """
        started_s = monotonic()
        while not _is_over(infos := await self.get_job_info()):
            elapsed_s = monotonic() - started_s
            if elapsed_s >= timeout:
                raise Timeout(f"dsort job '{self._dsort_id}'.", f"after {timeout}s")
            await sleep(next_wait_s(elapsed_s, timeout))
        result = _result(self._dsort_id, infos)
        if verbose:
            _log.info("dsort job '%s' %s", self._dsort_id, "finished" if result else f"failed: {result.error}")
        return result

    async def _call(self, method: str, path: str, query: Any = (), body: bytes | None = None) -> Any:
        return await self._session.call(Request(method, path, query, body=body))


def _is_over(infos: dict[str, JobInfo]) -> bool:
    metrics = [info.metrics for info in infos.values()]
    return any(one.aborted for one in metrics) or (
        bool(metrics) and all(one.shard_creation.finished for one in metrics)
    )


def _result(dsort_id: str, infos: dict[str, JobInfo]) -> WaitResult:
    was_aborted = any(info.metrics.aborted for info in infos.values())
    errors = [text for info in infos.values() for text in info.metrics.errors or ()]
    error = errors[0] if errors else "aborted" if was_aborted else None
    ends = [end for info in infos.values() if (end := parse_time(info.finish_time or "")) is not None]
    return WaitResult(dsort_id, not was_aborted, error, max(ends) if ends and not was_aborted else None)
