"""A selection by a template."""

from collections.abc import Iterator
from typing import Any

from moss.errors import InvalidTemplate
from moss.naming.template import parse_template
from moss.sdk.braces import expand_braces
from moss.sdk.multiobj.object_collection import ObjectCollection

__all__ = ["ObjectTemplate"]


class ObjectTemplate(ObjectCollection):
    """A template with braces, `shard-{000..099}.tar`; the cluster takes one without braces as a prefix."""

    def __init__(self, template: str) -> None:
        self._template = template

    def get_value(self) -> dict[str, Any]:
        return {"template": self._template}

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names: those that the cluster takes it for, and else those that a shell does.

        Raises:
            RuntimeError: numbers without end (`part-%d`): only the cluster knows the names.
            ValueError: braces without their partner.
        """
        try:
            template = parse_template(self._template)
        except InvalidTemplate:
            return expand_braces(self._template)
        if template.is_prefix:
            return expand_braces(self._template)
        if template.count is None:
            raise RuntimeError("Cannot iterate over a template without end")
        return template.iterate()

    def __str__(self) -> str:
        return self._template

    def __repr__(self) -> str:
        return f"ObjectTemplate({self._template!r})"
