"""A bucket in messages, as the SDK writes and reads it."""

from typing import Any

import msgspec

from moss.sdk.namespace import Namespace

__all__ = ["BucketModel"]


class BucketModel(msgspec.Struct, frozen=True, omit_defaults=True):
    """A bucket in messages."""

    name: str
    provider: str = "ais"
    namespace: Namespace | None = None

    def as_dict(self) -> dict[str, Any]:
        """The fields that are set."""
        fields: dict[str, Any] = {"name": self.name, "provider": str(self.provider)}
        if self.namespace is not None:
            fields["namespace"] = {"uuid": self.namespace.uuid, "name": self.namespace.name}
        return fields

    def get_path(self) -> str:
        """`<provider>/@<uuid>#<namespace>/<name>/`."""
        namespace = self.namespace or Namespace()
        return f"{self.provider}/{namespace.get_path()}/{self.name}/"
