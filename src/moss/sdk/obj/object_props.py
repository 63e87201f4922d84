"""Attributes of an object together with its name."""

from moss.sdk.obj.object_attributes import ObjectAttributes

__all__ = ["ObjectProps"]


class ObjectProps(ObjectAttributes):
    """`ObjectAttributes` with the names of the object and of its bucket."""

    @property
    def bucket_name(self) -> str:
        return self._headers.get("ais-bucket-name", "")

    @property
    def bucket_provider(self) -> str:
        return self._headers.get("ais-bucket-provider", "")

    @property
    def name(self) -> str:
        return self._headers.get("ais-name", "")
