"""Which records go to which output shards."""

from moss.sdk.multiobj.object_names import ObjectNames

__all__ = ["ExternalKeyMap"]


class ExternalKeyMap(dict[str, ObjectNames]):
    """Names of shards, as templates, and the records that each of them gets."""

    def as_dict(self) -> dict[str, list[str]]:
        """The form that the cluster reads."""
        return {template: list(names) for template, names in self.items()}
