# Made by scripts/unasync.py from _async/client.py; change that file instead.
"""The entry point of the SDK."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from moss.sdk._sync.batch import Batch
from moss.sdk._sync.bucket import Bucket
from moss.sdk._sync.cluster import Cluster
from moss.sdk._sync.job import Job
from moss.sdk._sync.object import Object
from moss.sdk._sync.session import RequestClient
from moss.sdk.config import resolve_config
from moss.sdk.enums import Colocation
from moss.sdk.errors import InvalidURLException
from moss.sdk.namespace import Namespace
from moss.sdk.provider import Provider
from moss.sdk.retry_config import RetryConfig
from moss.sdk.utils import parse_url

if TYPE_CHECKING:
    from moss.sdk._sync.download import Download
    from moss.sdk._sync.dsort import Dsort
    from moss.sdk._sync.etl import Etl

__all__ = ["Client"]


class Client:
    """A client of one cluster. Making one sends nothing.

    Safe to share between threads and to use after a fork; can be pickled.

    Args:
        endpoint: URL of a gateway, or several; None takes `MOSS_ENDPOINT` or `AIS_ENDPOINT`, then
            `http://127.0.0.1:51080`.
        skip_verify: do not verify TLS certificates.
        ca_cert: file of certificate authorities.
        client_cert: PEM file, or certificate and key.
        timeout: seconds, or `(connect, read)`; 0 means no limit; None takes `AIS_CONNECT_TIMEOUT` and
            `AIS_READ_TIMEOUT`, then `(3, 20)`.
        retry_config: the retry policy.
        token: sent to nodes of the cluster only; a function is asked for it before each request, so that it can be
            renewed; None takes `AIS_AUTHN_TOKEN`.
        max_pool_size: idle connections kept for each node; None takes `AIS_MAX_CONN_POOL`, then 10.
        retry: `urllib3.Retry` for retries after error statuses; same as `RetryConfig(http_retry=…)`.

    Raises:
        ValueError: the endpoint is no http or https URL, or the timeout is malformed.
    """

    def __init__(
        self,
        endpoint: str | Sequence[str] | None = None,
        skip_verify: bool = False,
        ca_cert: str | None = None,
        client_cert: str | tuple[str, str] | None = None,
        timeout: Any = None,
        retry_config: Any = None,
        token: Any = None,
        max_pool_size: Any = None,
        *,
        retry: Any = None,
    ) -> None:
        # Older releases took `retry` sixth, or seventh, where the policy and the token stand now.
        if retry is None and retry_config is not None and not hasattr(retry_config, "http_retry"):
            retry, retry_config = retry_config, None
            if isinstance(max_pool_size, str):
                token, max_pool_size = max_pool_size, None
        if retry is None and token is not None and not isinstance(token, str) and not callable(token):
            retry, token = token, max_pool_size if isinstance(max_pool_size, str) else None
            max_pool_size = None if isinstance(max_pool_size, str) else max_pool_size
        self.retry_config = retry_config if retry_config is not None else RetryConfig.default()
        if retry is not None:
            parts = {name: value for name, value in vars(self.retry_config).items() if name != "http_retry"}
            self.retry_config = RetryConfig(http_retry=retry, **parts)
        config = resolve_config(
            endpoint,
            skip_verify=skip_verify,
            ca_cert=ca_cert,
            client_cert=client_cert,
            timeout=timeout,
            token=token,
            max_pool_size=max_pool_size,
            environment=os.environ,
        )
        self._session = RequestClient(config, self.retry_config)

    @property
    def request_client(self) -> RequestClient:
        """The way to the cluster that all objects of this client share."""
        return self._session

    def bucket(
        self, bck_name: str, provider: Provider | str = Provider.AIS, namespace: Namespace | None = None
    ) -> Bucket:
        """Name a bucket.

        Raises:
            InvalidBckProvider: unknown provider.
        """
        return Bucket(bck_name, self._session, provider, namespace)

    def cluster(self) -> Cluster:
        """The cluster as a whole."""
        return Cluster(self._session)

    def job(self, job_id: str | list[str] = "", job_kind: str = "") -> Job:
        """Name a job, or all of a kind; sends nothing.

        Args:
            job_id: an id, or the list of one id that starting a multi-object job returned.

        Raises:
            ValueError: a list of several ids; make a job of each.
        """
        if isinstance(job_id, list):
            if len(job_id) != 1:
                raise ValueError(f"expected one job id, found {len(job_id)}")
            job_id = job_id[0]
        return Job(self._session, job_id, job_kind)

    def etl(self, etl_name: str) -> "Etl":
        """Name a transformation; sends nothing.

        Raises:
            ValueError: the name is not one that a transformation can have.
        """
        from moss.sdk._sync.etl import Etl

        return Etl(self._session, etl_name)

    def dsort(self, dsort_id: str = "") -> "Dsort":
        """Name a distributed sort; sends nothing."""
        from moss.sdk._sync.dsort import Dsort

        return Dsort(self._session, dsort_id)

    def download(self, download_id: str = "") -> "Download":
        """Name a download; sends nothing."""
        from moss.sdk._sync.download import Download

        return Download(self._session, download_id)

    def download_hf(
        self,
        bucket: Bucket,
        *,
        model: str = "",
        dataset: str = "",
        file: str = "",
        revision: str = "main",
        token: str | None = None,
        prefix: str = "",
        blob_threshold: int = 0,
    ) -> "list[Download]":
        """Have the cluster download a model or a data set of the Hugging Face hub, or one file of it.

        Args:
            bucket: where the files go; it is made when it is not there.
            model, dataset: exactly one of them, as in `openai/whisper-tiny`.
            file: path of one file; all files without it.
            revision: branch, tag or commit.
            token: None takes `HF_TOKEN`. The hub is `HF_ENDPOINT`, then https://huggingface.co.
            prefix: put before the names of the objects.
            blob_threshold: files of so many bytes and more get a download of their own; 0 for none.

        Returns:
            The downloads that were started.

        Raises:
            ValueError: neither or both of `model` and `dataset`.
            RepositoryNotFound: there is no such repository, or the hub wants a token.
            HubUnavailable: the hub cannot be reached.
        """
        from moss.sdk.hugging_face import HUB, HubFile, Repository, fetch_files, messages_for
        from moss.sdk.transport.blocking_tasks import call_blocking

        if bool(model) == bool(dataset):
            raise ValueError("name either a model or a dataset")
        hub = (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")
        token = os.environ.get("HF_TOKEN", "") if token is None else token
        repository = Repository("models" if model else "datasets", model or dataset, revision, hub, token)
        files = [HubFile(file, 0)] if file else call_blocking(fetch_files, repository)
        started = []
        for message in messages_for(repository, files, prefix, blob_threshold):
            started.append(self.download())
            started[-1].start_message(bucket, message | {"description": str(repository)})
        return started

    def get_object_from_url(self, url: str) -> Object:
        """Name an object by `provider://bucket/name`.

        Raises:
            InvalidURLException: a part is missing.
            InvalidBckProvider: unknown provider.
        """
        provider, bucket, name = parse_url(url)
        if not provider or not bucket or not name:
            raise InvalidURLException(url)
        return self.bucket(bucket, provider).object(name)

    def fetch_object_by_url(self, url: str) -> Object:
        """Same as `get_object_from_url`."""
        return self.get_object_from_url(url)

    def batch(
        self,
        objects: Any = None,
        bucket: Bucket | None = None,
        output_format: str = ".tar",
        cont_on_err: bool = True,
        only_obj_name: bool = False,
        streaming_get: bool = True,
        colocation: int = Colocation.NONE,
    ) -> Batch:
        """Start a batch; arguments as in `Batch`."""
        return Batch(
            self._session, objects, bucket, output_format, cont_on_err, only_obj_name, streaming_get, colocation
        )

    def close(self) -> None:
        """Close the idle connections; the client can be used again."""
        self._session.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self._session.base_url.removesuffix('/v1')!r})"
