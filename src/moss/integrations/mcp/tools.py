"""What an assistant may ask a cluster: questions only, nothing that changes it. Source: spec/python-sdk.md 8."""

from collections.abc import Callable
from itertools import islice
from typing import Any

import msgspec

from moss.sdk import Client
from moss.sdk.provider import Provider

__all__ = ["Tools"]

_LISTED = "name,size,checksum,atime,version"


class Tools:
    """The questions, as functions whose names, arguments and docstrings are what the assistant sees.

    Args:
        client: the cluster.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def functions(self) -> list[Callable[..., Any]]:
        """All of them, in the order of their names."""
        return [getattr(self, name) for name in sorted(dir(self)) if name.startswith("ais_")]

    def ais_is_ready(self) -> bool:
        """Whether the cluster answers and is ready to serve."""
        return self._client.cluster().is_ready()

    def ais_cluster_health(self) -> dict[str, Any]:
        """Whether the cluster is ready, how many gateways and targets it has, and which of them are in maintenance."""
        if not self._client.cluster().is_ready():
            return {"ready": False}
        smap = self._client.cluster().get_info()
        nodes = [*smap.pmap.values(), *smap.tmap.values()]
        return {
            "ready": True,
            "gateways": len(smap.pmap),
            "targets": len(smap.tmap),
            "in_maintenance": [node.daemon_id for node in nodes if node.in_maint_or_decomm()],
        }

    def ais_cluster_info(self) -> dict[str, Any]:
        """The cluster map: id and version, the primary gateway, and the address of every node."""
        smap = self._client.cluster().get_info()
        return {
            "uuid": smap.uuid,
            "version": smap.version,
            "primary": smap.proxy_si.daemon_id,
            "gateways": {name: node.public_net.direct_url for name, node in smap.pmap.items()},
            "targets": {name: node.public_net.direct_url for name, node in smap.tmap.items()},
        }

    def ais_cluster_performance(self) -> dict[str, Any]:
        """State and counters of every target, by its id."""
        return self._client.cluster().get_performance()

    def ais_list_buckets(self, provider: str = "ais") -> list[dict[str, Any]]:
        """Buckets of a provider (ais, aws, gcp, azure, oci); an empty one means all providers."""
        buckets = self._client.cluster().list_buckets(Provider.parse(provider) if provider else "")
        return [bucket.as_dict() for bucket in buckets]

    def ais_bucket_summary(self, bucket_name: str, provider: str = "ais") -> dict[str, Any]:
        """Numbers of objects and bytes of a bucket."""
        return {"summary": self._client.bucket(bucket_name, provider).summary()}

    def ais_list_objects(
        self, bucket_name: str, provider: str = "ais", prefix: str = "", limit: int = 100
    ) -> list[dict[str, Any]]:
        """Objects of a bucket, at most `limit`, in the order of their names: name, size in bytes, version, checksum."""
        if limit < 1:
            raise ValueError(f"limit must be positive, found {limit}")
        entries = self._client.bucket(bucket_name, provider).list_objects_iter(
            prefix, _LISTED, page_size=min(limit, 1000)
        )
        return [
            {"name": entry.name, "size": entry.size, "version": entry.version, "checksum": entry.checksum}
            for entry in islice(entries, limit)
        ]

    def ais_object_info(self, bucket_name: str, object_name: str, provider: str = "ais") -> dict[str, Any]:
        """Properties of one object: size in bytes, version, checksum, times, custom metadata."""
        props = self._client.bucket(bucket_name, provider).object(object_name).head()
        return {
            "name": object_name,
            "size": props.size,
            "version": props.obj_version,
            "checksum": {"type": props.checksum_type, "value": props.checksum_value},
            "access_time_ns": props.access_time,
            "last_modified": props.last_modified,
            "custom": props.custom_metadata,
            "present": props.present,
        }

    def ais_list_jobs(self, kind: str = "") -> list[dict[str, Any]]:
        """Status of the jobs that the cluster remembers, of one kind or of all."""
        return msgspec.to_builtins(self._client.cluster().list_jobs_status(kind))

    def ais_running_jobs(self) -> list[str]:
        """Jobs that run now, each as kind[id]."""
        return self._client.cluster().list_running_jobs()

    def ais_job_status(self, job_id: str) -> dict[str, Any]:
        """What every target says about a job: state, times, objects and bytes done."""
        return msgspec.to_builtins(self._client.job(job_id).get_details().root)

    def ais_list_etls(self) -> list[dict[str, Any]]:
        """Transformations that run."""
        return msgspec.to_builtins(self._client.cluster().list_etls())

    def ais_etl_details(self, etl_name: str, job_id: str = "") -> dict[str, Any]:
        """How a transformation was started, and the objects that it failed on in a job."""
        return msgspec.to_builtins(self._client.etl(etl_name).view(job_id))

    def ais_etl_logs(self, etl_name: str, target_id: str = "") -> list[dict[str, Any]]:
        """Logs of a transformation, of one target or of all."""
        return msgspec.to_builtins(self._client.etl(etl_name).logs(target_id))
