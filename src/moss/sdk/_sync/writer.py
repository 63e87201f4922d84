# Made by scripts/unasync.py from _async/writer.py; change that file instead.
"""Writing one object."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moss.sdk._sync.session import RequestClient
from moss.sdk.answers import Answer
from moss.sdk.obj.obj_file.object_file import ObjectFileWriter
from moss.sdk.operations import DIRECT, Request, action
from moss.sdk.utils import validate_file
from moss.wire import headers as names

__all__ = ["ObjectWriter"]


class ObjectWriter:
    """Writes one object.

    Args:
        session: the way to the cluster.
        path: the object's path below `/v1`.
        query: the bucket's query parameters.
    """

    def __init__(self, session: RequestClient, path: str, query: list[tuple[str, str]]) -> None:
        self._session, self._path, self._query = session, path, query

    def put_content(self, content: Any) -> Answer:
        """Store an object as a whole.

        Args:
            content: bytes, text (as UTF-8), a binary file from its current position, or an iterable of bytes. A body
                that can be read only once is sent once: it is not repeated after a failure.

        Returns:
            The answer, with the checksum and version in its header fields.

        Raises:
            ErrBckNotFound: the bucket does not exist.
        """
        if isinstance(content, str):
            content = content.encode()
        return self._put(content, _length_of(content))

    def put_file(self, path: str | Path) -> Answer:
        """Store a file.

        Raises:
            ValueError: the path is missing or a folder.
        """
        path = validate_file(path)
        with path.open("rb") as file:
            return self._put(file, path.stat().st_size)

    def _put(self, content: Any, length: int | None) -> Answer:
        is_repeatable = isinstance(content, bytes | bytearray | memoryview) or hasattr(content, "seek")
        if not is_repeatable and not hasattr(content, "__iter__"):
            content = iter(content)
        request = Request(
            "PUT", self._path, self._query, DIRECT, content, length, is_idempotent=None if is_repeatable else False
        )
        return self._session.call(request)

    def append_content(self, content: bytes, handle: str = "", flush: bool = False) -> str:
        """Append to an object that becomes visible with the last step.

        Args:
            handle: what the step before returned; empty in the first one.
            flush: True in the last step.

        Returns:
            The handle for the next step; empty after the last one.
        """
        if flush and content:  # The last step carries nothing.
            handle, content = self.append_content(content, handle), b""
        kind = "flush" if flush else "append"
        query = [*self._query, ("append_type", kind), ("append_handle", handle)]
        answer = self._session.call(Request("PUT", self._path, query, body=bytes(content), is_idempotent=False))
        return answer.headers.get(names.APPEND_HANDLE, "")

    def set_custom_props(self, custom_metadata: Mapping[str, str], replace_existing: bool = False) -> Answer:
        """Set custom metadata; what is there stays unless `replace_existing`."""
        query = [*self._query, ("set-new-custom", "true")] if replace_existing else self._query
        body = action("", value=dict(custom_metadata))
        return self._session.call(Request("PATCH", self._path, query, body=body))

    def as_file(self, mode: str = "a") -> ObjectFileWriter:
        """Write the object like a binary file. Nothing is sent before 8 MiB were written, or the file is closed.

        Args:
            mode: `w` replaces the object when the file is closed, `a` appends to it.

        Raises:
            ValueError: another mode.
        """
        if mode not in ("w", "a"):
            raise ValueError(f"mode must be 'w' or 'a', found {mode!r}")
        from moss.sdk._sync.multipart import MultipartUpload
        from moss.sdk._sync.upload import UploadStream

        if any(name == "partNumber" for name, _ in self._query):
            # One part of an upload: it is sent as a whole, and a part that is sent again replaces the first.
            return ObjectFileWriter(UploadStream(self, None, False), mode)
        upload = MultipartUpload(self._session, self._path, self._query)
        return ObjectFileWriter(UploadStream(self, upload, mode == "a"), mode)


def _length_of(content: Any) -> int | None:
    """Bytes of a body when they are known before it is read."""
    if isinstance(content, bytes | bytearray | memoryview):
        return len(content)
    if hasattr(content, "fileno"):
        try:
            return max(os.fstat(content.fileno()).st_size - content.tell(), 0)
        except (OSError, ValueError):
            return None
    if hasattr(content, "getbuffer"):
        return len(content.getbuffer()) - content.tell()
    return None
