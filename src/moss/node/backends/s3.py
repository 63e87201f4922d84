"""S3 and what speaks like it.

Objects go through `obstore`, which is fast; buckets and listings through `botocore`, which knows all of S3: prefixes
that end within a word, versioning, profiles and every other source of credentials.
"""

import asyncio
import ipaddress
import os
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from moss.naming.bucket import Provider
from moss.node.backends.base import Page, RemoteBucket, RemoteObject
from moss.node.backends.failures import failure
from moss.node.backends.object_store import CLIENT, RETRY, ObjectStoreReads

# The first that is set; the last one is what the reference reads. Source: spec/rest-data.md 8.
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "S3_ENDPOINT")
# Any of them says that there are credentials.
_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_FILES = (("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"), ("AWS_CONFIG_FILE", "~/.aws/config"))
_REGION = "us-east-1"
_PAGE_MAX = 1000


class S3Backend(ObjectStoreReads):
    """All buckets that one set of S3 credentials opens.

    Args:
        endpoint: URL of an S3-compatible store; "" for Amazon's.
        profile: section of the profile files; "" for the default.
        provider: whose buckets they are shown as (`aws`, or `oci`).
    """

    def __init__(self, *, endpoint: str = "", region: str = "", profile: str = "", provider: Provider = Provider.AWS):
        super().__init__(provider, self._open)
        self._endpoint, self._profile = endpoint.rstrip("/"), profile
        self._given_region = region
        self._lock = threading.Lock()
        self._client: Any = None
        self._session: Any = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ, **given: Any) -> "S3Backend | None":
        """Return a backend for the credentials that a shell has; None where there are none."""
        if not has_credentials(environ):
            return None
        return cls(endpoint=next((environ[name] for name in _ENDPOINTS if environ.get(name)), ""), **given)

    # -- buckets and listings --

    async def list_buckets(self) -> list[str]:
        found = await self._call("", lambda client: client.list_buckets())
        return [row["Name"] for row in found.get("Buckets", [])]

    async def head_bucket(self, bucket: str) -> RemoteBucket:
        head = await self._call(bucket, lambda client: client.head_bucket(Bucket=bucket))
        versioning = await self._call(bucket, lambda client: client.get_bucket_versioning(Bucket=bucket))
        told = head.get("BucketRegion") or head["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")
        return RemoteBucket(bucket, versioning.get("Status") == "Enabled", told or self._region())

    async def list(
        self, bucket: str, prefix: str = "", start_after: str = "", limit: int = 1000, *, one_level: bool = False
    ) -> Page:
        query = {"Bucket": bucket, "Prefix": prefix, "StartAfter": start_after, "MaxKeys": min(limit, _PAGE_MAX)}
        if one_level:
            query["Delimiter"] = "/"
        found = await self._call(bucket, lambda client: client.list_objects_v2(**query))
        objects = [_listed(row) for row in found.get("Contents", [])]
        folders = [row["Prefix"] for row in found.get("CommonPrefixes", [])]
        last = max([*(row.name for row in objects), *(folder for folder in folders)], default="")
        return Page(objects, folders, last if found.get("IsTruncated") else "")

    async def _call(self, bucket: str, ask: Callable[[Any], Any]) -> Any:
        return await asyncio.to_thread(self._call_now, bucket, ask)

    def _call_now(self, bucket: str, ask: Callable[[Any], Any]) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return ask(self._s3())
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            code = error.response.get("Error", {}).get("Code", "")
            code = "" if code.isdigit() else code
        except BotoCoreError as error:
            status, code = 0, type(error).__name__
        raise failure(self.bucket(bucket), "", status=status, code=code)

    # -- clients --

    def _botocore_session(self) -> Any:
        if self._session is None:
            from botocore.session import Session

            self._session = Session(profile=self._profile or None)
        return self._session

    def _region(self) -> str:
        return self._given_region or self._botocore_session().get_config_variable("region") or _REGION

    def _s3(self) -> Any:
        with self._lock:
            if self._client is None:
                from botocore.config import Config

                config = Config(
                    connect_timeout=3,
                    read_timeout=20,
                    retries={"max_attempts": 4, "mode": "standard"},
                    s3={"addressing_style": "path"} if self._is_path_style() else {},
                )
                self._client = self._botocore_session().create_client(
                    "s3", region_name=self._region(), endpoint_url=self._endpoint or None, config=config
                )
            return self._client

    def _is_path_style(self) -> bool:
        """An endpoint that is an address has no names below it."""
        host = urlsplit(self._endpoint).hostname or ""
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return host == "localhost"
        return True

    def _open(self, bucket: str) -> Any:
        from obstore.store import S3Store

        options: dict[str, Any] = {"region": self._region(), "client_options": dict(CLIENT), "retry_config": RETRY}
        if self._endpoint:
            options["endpoint"] = self._endpoint
            options["client_options"]["allow_http"] = self._endpoint.startswith("http://")
        return S3Store(bucket, credential_provider=self._credential, **options)

    def _credential(self) -> Any:
        """Return credentials from wherever botocore finds them; those that expire are asked for again."""
        found = self._botocore_session().get_credentials()
        if found is None:
            raise ValueError("no credentials")
        frozen = found.get_frozen_credentials()
        expiry = getattr(found, "_expiry_time", None)
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": expiry.astimezone(UTC) if isinstance(expiry, datetime) else None,
        }


def has_credentials(environ: Mapping[str, str]) -> bool:
    """Tell whether a shell has credentials, without asking anybody: a node without any must start at once."""
    files = (
        environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
        environ.get("AWS_CONFIG_FILE", "~/.aws/config"),
    )
    return any(environ.get(name) for name in _CREDENTIALS) or any(Path(file).expanduser().is_file() for file in files)


def _listed(row: dict[str, Any]) -> RemoteObject:
    return RemoteObject(
        row["Key"],
        row["Size"],
        etag=row.get("ETag", "").strip('"'),
        modified_ns=int(row["LastModified"].timestamp()) * 10**9,
    )
