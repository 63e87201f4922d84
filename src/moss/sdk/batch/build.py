"""Checks and normalizes what users put into a batch. Pure. Source: spec/python-sdk.md 2.1 and 2.2."""

from typing import Any

from moss.archive.formats import Format
from moss.sdk.batch.types import MossIn, encode_opaque, make_entry
from moss.sdk.provider import Provider
from moss.sdk.utils import parse_url

__all__ = [
    "check_buffer_size",
    "entries_of_names",
    "entry_of_name",
    "entry_of_object",
    "format_of_output",
    "resumes_of",
    "split_item",
    "split_positional",
]

_RESUMES_DEFAULT = 5
_FORMATS = {
    ".tar": Format.TAR,
    ".tgz": Format.TGZ,
    ".tar.gz": Format.TGZ,
    ".tar.lz4": Format.TAR_LZ4,
    ".zip": Format.ZIP,
}
_BUCKET_REQUIRED = "Bucket must be provided when objects are specified as raw names (str or list of str)"


def format_of_output(output_format: Any) -> tuple[Format, str]:
    """The archive format, and its name as it is sent.

    Raises:
        ValueError: unknown.
    """
    name = output_format.lower() if isinstance(output_format, str) else ""
    if name not in _FORMATS:
        raise ValueError(f"Unsupported output format type {output_format} (expected one of {', '.join(_FORMATS)})")
    return _FORMATS[name], output_format


def check_buffer_size(size: Any, format: Format, *, is_raw: bool) -> None:
    """Raise ValueError unless a receive buffer of `size` bytes makes sense; None always does."""
    if size is None:
        return
    if isinstance(size, bool) or not isinstance(size, int) or size <= 0:
        raise ValueError("tar_buffer_size must be a positive integer")
    if is_raw or not format.is_tar_family:
        raise ValueError("tar_buffer_size requires TAR extraction with raw=False")


def resumes_of(resume: bool | int) -> int:
    """How often a broken answer may be continued."""
    if resume is True:
        return _RESUMES_DEFAULT
    return max(int(resume), 0)


def split_positional(opaque: Any, archpath: Any) -> tuple[Any, str | None]:
    """Tell `opaque` (bytes) and `archpath` (text) apart, whatever their order.

    Raises:
        ValueError: two of one kind.
    """
    if isinstance(opaque, str) or isinstance(archpath, bytes | bytearray | memoryview):
        opaque, archpath = archpath, opaque
    if isinstance(opaque, str) or isinstance(archpath, bytes | bytearray | memoryview):
        raise ValueError("opaque must be bytes and archpath must be text")
    return opaque, archpath


def split_item(item: Any) -> dict[str, Any]:
    """Arguments of `Batch.add` for a name, a URL, a `(name, member)` pair, or a dict with them.

    Raises:
        ValueError: something else.
    """
    if isinstance(item, str):
        return _split_url(item)
    if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str) and isinstance(item[1], str | None):
        return _split_url(item[0]) | {"archpath": item[1]}
    if isinstance(item, dict):
        fields = dict(item)
        obj = fields.pop("obj", None) or fields.pop("obj_name", None) or fields.pop("name", None)
        if isinstance(obj, str) and not fields.get("bck"):
            return _split_url(obj) | fields
        if obj is not None:
            return {"obj": obj} | fields
    raise ValueError(f"Unsupported object type: {type(item)}")


def _split_url(text: str) -> dict[str, Any]:
    """A name stays a name unless it is a whole URL of a known provider."""
    if "://" in text:
        provider, bucket, name = parse_url(text)
        if bucket and name and provider in _SCHEMES:
            return {"obj": name, "bck": bucket, "provider": Provider.parse(provider).value}
    return {"obj": text}


_SCHEMES = frozenset({"ais", "aws", "azure", "gcp", "oci", "s3", "gs", "az", "oc"})


def entry_of_name(
    name: str,
    bucket: Any,
    opaque: Any,
    archpath: str | None,
    start: int | None,
    length: int | None,
    bck: str | None,
    provider: str | None,
) -> MossIn:
    """Entry for an object name, in `bck` or else in the batch's bucket.

    Raises:
        ValueError: no bucket, half a bucket, or an impossible range.
    """
    if not isinstance(name, str):
        raise ValueError(f"Unsupported object type: {type(name)}")
    if (bck is None) != (provider is None):
        raise ValueError("bck and provider must be set together, or not at all")
    uname = None
    if bck is None:
        if bucket is None:
            raise ValueError(_BUCKET_REQUIRED)
        bck, provider = bucket.name, bucket.provider.value
        uname = _uname(bucket.get_path(), bucket.namespace)
    return _entry(name, bck, str(provider), uname, opaque, archpath, start, length)


def entries_of_names(names: Any, bucket: Any) -> list[MossIn] | None:
    """Entries for a list of plain names, all in one go; None when it is anything else."""
    if bucket is None or not isinstance(names, list):
        return None
    try:
        if "://" in "\0".join(names):
            return None
    except TypeError:
        return None
    bck, provider = bucket.name, bucket.provider.value
    uname = _uname(bucket.get_path(), bucket.namespace)
    return [make_entry(name, bck, provider, uname) for name in names]


def entry_of_object(
    obj: Any, namespace: Any, opaque: Any, archpath: str | None, start: int | None, length: int | None
) -> MossIn:
    """Entry for an `Object`.

    Raises:
        ValueError: an impossible range.
    """
    uname = _uname(obj.bucket.get_path(), namespace)
    return _entry(obj.name, obj.bucket_name, obj.bucket_provider.value, uname, opaque, archpath, start, length)


def _uname(path: str, namespace: Any) -> str | None:
    """Only namespaces need it: name and provider cannot say them."""
    return path if namespace is not None and (namespace.uuid or namespace.name) else None


def _entry(
    name: str,
    bck: str,
    provider: str,
    uname: str | None,
    opaque: Any,
    archpath: str | None,
    start: int | None,
    length: int | None,
) -> MossIn:
    if start or length:
        _check_range(start or 0, length)
    text = encode_opaque(opaque) if opaque else None
    return make_entry(name, bck, provider, uname, text, archpath or None, start or None, length or None)


def _check_range(start: int, length: int | None) -> None:
    if start < 0:
        raise ValueError(f"Invalid byte range: start={start} must be >= 0")
    if length is not None and length < -1:
        raise ValueError(f"Invalid byte range: length={length} must be > 0, or -1 to read to the end")
    if start and not length:
        raise ValueError(f"Invalid byte range: start={start} requires length > 0 or -1 (use -1 to read to the end)")
