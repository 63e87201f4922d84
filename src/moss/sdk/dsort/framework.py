"""What a distributed sort shall do. Source: spec/python-sdk.md 1.11, spec/rest-control.md 11.2."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moss.sdk.bucket_model import BucketModel
from moss.sdk.dsort.ekm import ExternalKeyMap
from moss.sdk.multiobj.object_names import ObjectNames
from moss.sdk.multiobj.object_range import ObjectRange
from moss.sdk.namespace import Namespace

__all__ = ["DsortAlgorithm", "DsortFramework", "DsortShardsGroup", "read_spec"]

_KINDS = ("alphanumeric", "shuffle", "content")
_KEY_TYPES = ("int", "float", "string")


class DsortShardsGroup:
    """The shards that are read, or those that are made.

    Args:
        bck: their bucket.
        role: `input` or `output`.
        format: their names without extension: `ObjectNames` or `ObjectRange` of the input, `ObjectRange` or
            `ExternalKeyMap` of the output.
        extension: `.tar`, `.tgz`, `.zip` …

    Raises:
        ValueError: another role, or a format that does not go with it.
    """

    def __init__(self, bck: BucketModel, role: str, format: Any, extension: str) -> None:
        if role not in ("input", "output"):
            raise ValueError('role must be either "input" or "output"')
        kinds: tuple[type, ...] = (ObjectNames, ObjectRange) if role == "input" else (ObjectRange, ExternalKeyMap)
        if not isinstance(format, kinds):
            names = " or ".join(f'"{kind.__name__}"' for kind in kinds)
            raise ValueError(f"format of {role} role must be an instance of {names}")
        self.bck, self.role, self.format, self.extension = bck, role, format, extension

    def as_dict(self) -> dict[str, Any]:
        """Its part of the specification."""
        value: Any = self.format.get_value() if self.role == "input" else str(self.format)
        if isinstance(self.format, ExternalKeyMap):
            value = ""
        return {
            f"{self.role}_bck": self.bck.as_dict(),
            f"{self.role}_format": value,
            f"{self.role}_extension": self.extension,
        }


@dataclass
class DsortAlgorithm:
    """The order of the records.

    Attributes:
        kind: `alphanumeric`, `shuffle` or `content`.
        decreasing: reverse order.
        seed: of a shuffle, decimal text.
        extension: of `content`: the file of each record that holds its key.
        content_key_type: of `content`: `int`, `float` or `string`.

    Raises:
        ValueError: an unknown kind or key type, or `content` without its two attributes.
    """

    kind: str = "alphanumeric"
    decreasing: bool = False
    seed: str | None = ""
    extension: str | None = None
    content_key_type: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise ValueError(f"kind must be one of {', '.join(_KINDS)}, found {self.kind!r}")
        if self.content_key_type is not None and self.content_key_type not in _KEY_TYPES:
            raise ValueError(f"content_key_type must be one of {', '.join(_KEY_TYPES)}")
        if self.kind == "content":
            for name in ("extension", "content_key_type"):
                if not getattr(self, name):
                    raise ValueError(f'For kind="content", the "{name}" field is required.')

    def as_dict(self) -> dict[str, Any]:
        """The fields that are set."""
        return {name: value for name, value in vars(self).items() if value is not None}


class DsortFramework:
    """A whole sort.

    Args:
        input_shards, output_shards: what is read and what is made.
        algorithm: the order; by name without one.
        description: free text.
        output_shard_size: `10MB`; needed unless the names of the output are finitely many.

    Raises:
        ValueError: the groups have the wrong roles.
    """

    def __init__(
        self,
        input_shards: DsortShardsGroup,
        output_shards: DsortShardsGroup,
        algorithm: DsortAlgorithm | None = None,
        description: str | None = None,
        output_shard_size: str | None = None,
    ) -> None:
        if input_shards.role != "input" or output_shards.role != "output":
            raise ValueError("the first group must have the role input, the second the role output")
        self.input_shards, self.output_shards = input_shards, output_shards
        self.algorithm = algorithm or DsortAlgorithm()
        self.description, self.output_shard_size = description, output_shard_size

    @property
    def key_map(self) -> ExternalKeyMap | None:
        """The map of records to shards, if that is how the output is made."""
        return self.output_shards.format if isinstance(self.output_shards.format, ExternalKeyMap) else None

    def to_spec(self) -> dict[str, Any]:
        """The specification that the cluster reads."""
        spec = self.input_shards.as_dict() | self.output_shards.as_dict()
        spec |= {"algorithm": self.algorithm.as_dict(), "description": self.description or ""}
        if self.output_shard_size:
            spec["output_shard_size"] = self.output_shard_size
        return spec

    @staticmethod
    def from_file(spec: str | Path) -> "DsortFramework":
        """Read a specification from a JSON or YAML file.

        Raises:
            ValueError: another kind of file, or not a specification.
        """
        document = read_spec(spec)
        try:
            groups = [_read_group(document, role) for role in ("input", "output")]
            algorithm = DsortAlgorithm(**(document.get("algorithm") or {}))
        except TypeError as error:
            raise ValueError(f"not a specification of a sort: {error}") from None
        return DsortFramework(*groups, algorithm, document.get("description"), document.get("output_shard_size"))


def _read_group(document: dict[str, Any], role: str) -> DsortShardsGroup:
    bucket = document.get(f"{role}_bck")
    if bucket is None and role == "output":  # The output goes where the input is unless it says otherwise.
        bucket = document.get("input_bck")
    if not isinstance(bucket, dict) or not isinstance(bucket.get("name"), str):
        raise ValueError(f"{role}_bck must be a dictionary with a name")
    namespace = bucket.get("namespace")
    model = BucketModel(bucket["name"], bucket.get("provider", "ais"), Namespace(**namespace) if namespace else None)
    format_ = document.get(f"{role}_format")
    if role == "input":
        if not isinstance(format_, dict):
            raise ValueError("input_format must be a dictionary")
        names = format_.get("objnames")
        value: Any = ObjectNames(names) if names else ObjectRange.from_string(str(format_.get("template", "")))
    elif isinstance(format_, str):
        value = ObjectRange.from_string(format_)
    else:
        raise ValueError("output_format must be text")
    extension = document.get(f"{role}_extension") or document.get("input_extension") or ""
    return DsortShardsGroup(model, role, value, extension)


def read_spec(path: str | Path) -> dict[str, Any]:
    """Read a JSON or YAML file that holds a mapping.

    Raises:
        ValueError: another kind of file, missing, malformed, or no mapping.
    """
    from moss.sdk.utils import validate_file

    path = validate_file(path)
    if path.suffix not in (".json", ".yaml", ".yml"):
        raise ValueError("Specification must be a JSON or YAML file: .json, .yaml or .yml")
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        document = json.loads(text)
    else:
        import yaml

        try:
            document = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(f"{path} is no YAML: {error}") from None
    if not isinstance(document, dict):
        raise ValueError("Specification must contain a mapping")
    return document
