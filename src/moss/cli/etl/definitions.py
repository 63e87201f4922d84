"""Definitions of transformations: YAML or JSON documents become the messages that start them. Pure.

Two forms: ours is short (`name`, `runtime` with an `image`), the other is the specification of a Kubernetes pod, which
is sent as it is. Source: spec/cli.md 5.11, spec/rest-control.md 10.3.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml

from moss.cli.failures import CommandError, UsageError

COMMUNICATIONS = ("hpush", "hpull", "ws")
_SEPARATOR = re.compile(r"^---(?:[ \t].*)?$", re.MULTILINE)
_KEYS = {
    "name", "communication", "init_timeout", "obj_timeout", "support_direct_put", "runtime", "env", "resources",
    "argument",
}  # fmt: skip
_OTHER_NAMES = {
    "communication_type": "communication",
    "comm_type": "communication",
    "object_timeout": "obj_timeout",
    "timeout": "init_timeout",
}
_DEFAULT_TIMEOUT = "5m"


class Overrides(NamedTuple):
    """What the command line says instead of the document; empty where it says nothing."""

    name: str = ""
    communication: str = ""
    init_timeout: str = ""
    obj_timeout: str = ""

    @property
    def flags(self) -> list[str]:
        """The options that were given."""
        options = ("--name", "--comm-type", "--init-timeout", "--object-timeout")
        return [option for option, value in zip(options, self, strict=True) if value]


class BadDefinition(CommandError):
    """A document that defines no transformation."""


def documents(text: str) -> list[str]:
    """The documents of a text, without empty ones."""
    return [part for part in _SEPARATOR.split(text) if part.strip() and not _is_comment(part)]


def _is_comment(text: str) -> bool:
    return all(not line.strip() or line.lstrip().startswith("#") for line in text.splitlines())


def read_definition(text: str, overrides: Overrides) -> dict[str, Any]:
    """Make the message that starts a transformation.

    Raises:
        BadDefinition: the document is malformed, or lacks what is needed.
        UsageError: an unknown communication type on the command line.
    """
    if overrides.communication and _scheme(overrides.communication) is None:
        known = ", ".join(COMMUNICATIONS)
        raise UsageError(f"invalid '--comm-type' \"{overrides.communication}\" (expecting one of: {known})")
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadDefinition(f"malformed YAML: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise BadDefinition("expecting a mapping with 'name' and 'runtime'")
    is_pod = "kind" in document or "apiVersion" in document
    message = _of_pod(document, text) if is_pod else _of_short_form(document)
    message |= {key: value for key, value in overrides._asdict().items() if value}
    communication = _scheme(str(message.get("communication") or COMMUNICATIONS[0]))
    if communication is None:
        raise BadDefinition(f'unknown communication type "{message["communication"]}"')
    message["communication"] = communication
    if not message.get("name"):
        raise BadDefinition("missing 'name' (or '--name')")
    return message


def _scheme(word: str) -> str | None:
    """`hpush://` for `hpush` and `hpush://`; None for an unknown word."""
    bare = word.removesuffix("://").lower()
    return f"{bare}://" if bare in COMMUNICATIONS else None


def _of_short_form(document: Mapping[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {}
    for key, value in document.items():
        name = _OTHER_NAMES.get(str(key), str(key))
        if name not in _KEYS:
            raise BadDefinition(f'unknown key "{key}" (expecting {", ".join(sorted(_KEYS))})')
        message[name] = value
    runtime = message.get("runtime")
    if not isinstance(runtime, dict) or not runtime.get("image"):
        raise BadDefinition("missing 'runtime' with an 'image'")
    if isinstance(runtime.get("command"), str):
        message["runtime"] = runtime | {"command": runtime["command"].split()}
    return message


def _of_pod(document: Mapping[str, Any], text: str) -> dict[str, Any]:
    metadata = document.get("metadata") or {}
    notes = metadata.get("annotations") or {}
    message: dict[str, Any] = {
        "name": str(metadata.get("name") or ""),
        "communication": str(notes.get("communication_type") or ""),
        "init_timeout": str(notes.get("wait_timeout") or _DEFAULT_TIMEOUT),
        "spec": base64.b64encode(text.encode()).decode(),
    }
    if notes.get("support_direct_put") is not None:
        message["support_direct_put"] = str(notes["support_direct_put"]).lower() == "true"
    return message


def described(message: Mapping[str, Any]) -> Iterator[str]:
    """Lines that tell what was started."""
    yield f"name: {message['name']}"
    yield f"communication_type: {message['communication']}"
    runtime = message.get("runtime")
    if isinstance(runtime, Mapping):
        yield "runtime:"
        yield f"   image: {runtime.get('image', '')}"


def names_in(text: str) -> list[str]:
    """The names that a text of definitions defines.

    Raises:
        BadDefinition: a document is malformed.
    """
    return [str(read_definition(part, Overrides())["name"]) for part in documents(text)]
