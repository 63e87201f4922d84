"""Which objects a multi-object job means. Source: spec/rest-data.md 6.1, 6.3."""

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moss.errors import InvalidBody, InvalidName
from moss.naming.bucket import Bucket, plain_object_name, validate_object_name
from moss.naming.template import EXPANSION_MAX, Template, parse_template
from moss.node.storage.walking import walk, walk_level
from moss.units import quote

WINDOW = 256
"""Names that jobs handle at once, with one transaction or one commit."""


@dataclass(frozen=True, slots=True)
class Selection:
    """A list of names, or a template.

    Attributes:
        names: given one by one, doubles dropped; None when a template selects.
        template: the pattern; an empty one means the whole bucket.
    """

    names: tuple[str, ...] | None
    template: Template

    @property
    def is_list(self) -> bool:
        """Names given one by one: one that is missing is an error."""
        return self.names is not None

    @property
    def is_open(self) -> bool:
        """Which names are meant is to be found out in the bucket."""
        return self.names is None and self.template.count is None

    def expand(self) -> Iterator[list[str]]:
        """Yield the names of a selection that is not open, in windows; they need not exist."""
        names = iter(self.names) if self.names is not None else self.template.expand()
        while window := list(itertools.islice(names, WINDOW)):
            yield window

    def matches(self, name: str) -> bool:
        """Tell whether an open selection means a name that begins with the template's prefix."""
        return not self.template.ranges or _pattern(self.template).fullmatch(name) is not None

    def iterate(self, engine: Any, bucket: Bucket, *, is_recursive: bool = True) -> Iterator[str]:
        """Yield the names; those of a prefix as they are found in the bucket."""
        for names in self.windows(engine, bucket, is_recursive=is_recursive):
            yield from names

    def windows(self, engine: Any, bucket: Bucket, *, is_recursive: bool = True) -> Iterator[list[str]]:
        """Yield the names in windows of at most `WINDOW`; names of a template need not exist.

        Args:
            is_recursive: False takes of a prefix only what lies on the level of its last slash.

        Raises:
            BucketNotFound: the bucket is gone.
        """
        if self.is_open:
            yield from self._existing(engine, bucket, is_recursive)
        else:
            yield from self.expand()

    def _existing(self, engine: Any, bucket: Bucket, is_recursive: bool) -> Iterator[list[str]]:
        prefix = self.template.prefix
        pattern = _pattern(self.template) if self.template.ranges else None
        found = walk(engine, bucket, prefix) if is_recursive else walk_level(engine, bucket, prefix)
        names = (name for name, extent in found if extent is not None)
        while window := list(itertools.islice(names, WINDOW)):
            if pattern is not None:
                window = [name for name in window if pattern.fullmatch(name)]
            if window:
                yield window


def parse_selection(value: Mapping[str, Any]) -> Selection:
    """Read `objnames` or `template` of a message with lower-case keys; neither means the whole bucket.

    Raises:
        InvalidBody: a value of the wrong type.
        InvalidName: an impossible object name.
        InvalidTemplate: a template that cannot be read, or gives too many names.
    """
    names = value.get("objnames")
    if names:
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InvalidBody("objnames: expecting a list of strings")
        names = [plain_object_name(name) for name in names]
        for name in names:
            validate_object_name(name)
        return Selection(tuple(dict.fromkeys(names)), parse_template(""))
    text = value.get("template") or ""
    if not isinstance(text, str):
        raise InvalidBody("template: expecting a string")
    template = parse_template(text)
    if any(part in (".", "..") for part in template.prefix.split("/")):
        raise InvalidName(f"invalid prefix {quote(template.prefix)}")
    if template.count is not None and template.count > EXPANSION_MAX:
        template.expand()
    return Selection(None, template)


def _pattern(template: Template) -> re.Pattern[str]:
    if not template.ranges:
        return re.compile(".*", re.DOTALL)
    parts = [re.escape(template.prefix)]
    for item in template.ranges:
        parts.append(f"[0-9]{{{max(1, item.width)},}}{re.escape(item.gap)}")
    return re.compile("".join(parts), re.DOTALL)
