# Made by scripts/unasync.py from _async/multipart.py; change that file instead.
"""Writing one object in parts."""

from typing import Any

from moss.sdk._sync.session import RequestClient
from moss.sdk._sync.writer import ObjectWriter
from moss.sdk.answers import Answer
from moss.sdk.operations import Request, action

__all__ = ["MultipartUpload"]


class MultipartUpload:
    """An upload whose parts may be sent in any order and at the same time; the object changes when it is completed.

    Args:
        client: the way to the cluster.
        object_path: the object's path below `/v1`.
        params: the bucket's query parameters.
    """

    def __init__(self, client: RequestClient, object_path: str, params: Any = ()) -> None:
        self._session, self._path = client, object_path
        self._query = list(params.items() if hasattr(params, "items") else params)
        self._upload_id = ""
        self._parts: list[int] = []

    @property
    def upload_id(self) -> str:
        """The cluster's name of the upload, empty before `create`."""
        return self._upload_id

    def create(self) -> "MultipartUpload":
        """Begin the upload.

        Raises:
            ErrBckNotFound: the bucket does not exist.
        """
        # Sent twice, it would leave an upload that nobody completes.
        answer = self._post("mpt-upload", self._query)
        self._upload_id = answer.text.strip().strip('"')
        return self

    def add_part(self, part_number: int) -> ObjectWriter:
        """A writer for one part; `put_content` or `put_file` sends it. A part that is sent again replaces the first.

        Raises:
            ValueError: before `create`, or the number is not positive.
        """
        if not self._upload_id:
            raise ValueError("The upload was not created: call create() first")
        if isinstance(part_number, bool) or not isinstance(part_number, int) or part_number < 1:
            raise ValueError(f"part numbers are positive, found {part_number!r}")
        if part_number not in self._parts:
            self._parts.append(part_number)
        query = [*self._query, ("uploadId", self._upload_id), ("partNumber", str(part_number))]
        return ObjectWriter(self._session, self._path, query)

    def complete(self) -> Answer:
        """Make the object of the parts, in the order of their numbers.

        Raises:
            ValueError: before `create`.
            AISError: a part is missing.
        """
        self._require_id()
        parts = [{"part-number": number, "etag": ""} for number in self._parts]
        return self._post("mpt-complete", [*self._query, ("uploadId", self._upload_id)], parts)

    def abort(self) -> Answer:
        """Forget the upload and its parts.

        Raises:
            ValueError: before `create`.
        """
        self._require_id()
        query = [*self._query, ("uploadId", self._upload_id)]
        return self._session.call(Request("DELETE", self._path, query, body=action("mpt-abort")))

    def _post(self, name: str, query: list[tuple[str, str]], value: Any = None) -> Answer:
        return self._session.call(Request("POST", self._path, query, body=action(name, value=value)))

    def _require_id(self) -> None:
        if not self._upload_id:
            raise ValueError("The upload was not created: call create() first")
