"""YAML for specifications: every scalar stays the text that was typed.

YAML's own guesses (`001` is a number, `no` is false, `12:30` is 750) would rename objects; what a scalar means is
decided by the key it stands under. Only `null` and merge keys are resolved here.
"""

import re
from typing import Any

import yaml
from yaml.constructor import SafeConstructor
from yaml.resolver import BaseResolver

try:
    from yaml.cyaml import CParser as _Parser
except ImportError:  # PyYAML without libyaml
    _Parser = None

DEPTH_MAX = 100
_LEADING = re.compile(r"^[ \-?:\t]*", re.MULTILINE)
_NULL, _MERGE, _MAP = "tag:yaml.org,2002:null", "tag:yaml.org,2002:merge", "tag:yaml.org,2002:map"


class SpecYamlError(Exception):
    """Malformed YAML; line and column count from 1."""

    def __init__(self, line: int, column: int, reason: str) -> None:
        self.line, self.column, self.reason = line, column, reason
        super().__init__(reason)


if _Parser is not None:

    class _Loader(_Parser, SafeConstructor, BaseResolver):
        def __init__(self, stream: str) -> None:
            _Parser.__init__(self, stream)
            SafeConstructor.__init__(self)
            BaseResolver.__init__(self)
else:

    class _Loader(yaml.BaseLoader):
        yaml_constructors = SafeConstructor.yaml_constructors
        flatten_mapping = SafeConstructor.flatten_mapping


def parse_yaml(text: str, pairs: type[list]) -> Any:
    """Parse one document; mappings come as `pairs` of (key, value) so that duplicates can be seen.

    Raises:
        SpecYamlError: malformed YAML, more than one document, or nested too deeply.
    """

    class Loader(_Loader):
        pass

    def construct_mapping(loader: Any, node: yaml.MappingNode) -> list:
        # Keys that a merge brings stand first and give way to those of the mapping itself.
        own = {id(value) for _, value in node.value}
        if any(key.tag == _MERGE for key, _ in node.value):
            loader.flatten_mapping(node)
        rows = [(_key(loader, key), loader.construct_object(value, deep=True), id(value)) for key, value in node.value]
        named = {key for key, _, where in rows if where in own}
        merged: dict[str, Any] = {key: value for key, value, where in rows if where not in own and key not in named}
        return pairs([*merged.items(), *((key, value) for key, value, where in rows if where in own)])

    Loader.add_constructor(_MAP, construct_mapping)
    Loader.add_constructor("tag:yaml.org,2002:str", lambda loader, node: loader.construct_scalar(node))
    Loader.add_constructor("tag:yaml.org,2002:seq", lambda loader, node: loader.construct_sequence(node, deep=True))
    Loader.add_implicit_resolver(_NULL, re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
    Loader.add_implicit_resolver(_MERGE, re.compile(r"^<<$"), ["<"])
    try:
        if _may_be_deep(text):
            _check_depth(text)
        return yaml.load(text, Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = error.problem or error.context or "malformed YAML"
        raise SpecYamlError(mark.line + 1 if mark else 1, mark.column + 1 if mark else 1, reason) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, error.position - before.rfind("\n")
        raise SpecYamlError(line, column, f"character {error.character!r} is not allowed") from None


def _may_be_deep(text: str) -> bool:
    """Whether nesting might exceed the limit; False is certain. The parser's own recursion would end the process."""
    if max(match.end() - match.start() for match in _LEADING.finditer(text)) > DEPTH_MAX // 2:
        return True
    return text.count("[") + text.count("{") > DEPTH_MAX // 2


def _check_depth(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, getattr(yaml, "CLoader", yaml.SafeLoader)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH_MAX:
                mark = event.start_mark
                raise SpecYamlError(mark.line + 1, mark.column + 1, "nested too deeply")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _key(loader: Any, node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        mark = node.start_mark
        raise SpecYamlError(mark.line + 1, mark.column + 1, "expected a word as key")
    return str(loader.construct_scalar(node))
