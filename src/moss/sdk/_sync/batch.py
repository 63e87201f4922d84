# Made by scripts/unasync.py from _async/batch.py; change that file instead.
"""Batches: many objects, members of archives and byte ranges with one request, in the order they were asked for.

The decisions are in `moss.sdk.batch` (pure); this module sends the request and moves bytes.
"""

import random
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from moss.archive.formats import Format
from moss.errors import ArchiveLimit, BadArchive, TruncatedArchive
from moss.sdk._sync.bucket import Bucket
from moss.sdk._sync.object import Object
from moss.sdk._sync.session import RequestClient
from moss.sdk._sync.stream import RawStream
from moss.sdk.batch.assembly import Assembly, Delivery, Pair
from moss.sdk.batch.buffers import BufferPool
from moss.sdk.batch.build import (
    check_buffer_size,
    entries_of_names,
    entry_of_name,
    entry_of_object,
    format_of_output,
    resumes_of,
    split_item,
    split_positional,
)
from moss.sdk.batch.errors import BatchError, BatchIncompleteError
from moss.sdk.batch.intake import Intake, ZipSpool, make_intake
from moss.sdk.batch.plan import encode_request, member_names, remaining_entries
from moss.sdk.batch.tar import TarInput
from moss.sdk.batch.types import MossIn, MossReq
from moss.sdk.enums import Colocation
from moss.sdk.errors import TransportError
from moss.sdk.operations import DIRECT, Request, bucket_query
from moss.sdk.transport.blocking import Response, sleep
from moss.wire import headers as names

__all__ = ["Batch", "BatchStream"]

_RESUME_WAIT_S = 0.1
_RESUME_WAIT_S_MAX = 5.0


class Batch:
    """Collects entries and fetches them with one request.

    Args:
        request_client: the way to the cluster.
        objects: names, `Object`s, URLs, `(name, member)` pairs, dicts with the arguments of `add`, or one of them.
        bucket: the bucket of entries that name none.
        output_format: `.tar`, `.tgz`, `.tar.gz`, `.tar.lz4` or `.zip`, in any letter case.
        cont_on_err: deliver missing entries as empty pairs with `err_msg` instead of failing the batch.
        only_obj_name: leave the bucket out of member names (visible in raw streams only).
        streaming_get: receive the archive while it is made; False has the server make the whole first, and say the
            size and the error text of each entry itself.
        colocation: a hint where the objects are.

    Raises:
        ValueError: unknown format or colocation, unsupported items, or a name without a bucket.
    """

    def __init__(
        self,
        request_client: RequestClient,
        objects: Any = None,
        bucket: Bucket | None = None,
        output_format: str = ".tar",
        cont_on_err: bool = True,
        only_obj_name: bool = False,
        streaming_get: bool = True,
        colocation: int = Colocation.NONE,
    ) -> None:
        self.request_client, self.bucket = request_client, bucket
        self._format, output_format = format_of_output(output_format)
        if not Colocation.NONE <= colocation <= Colocation.TARGET_AND_SHARD_AWARE:
            raise ValueError(f"Invalid colocation value: {colocation}. Must be a Colocation enum member.")
        self.request = MossReq(
            moss_in=[],
            output_format=output_format,
            cont_on_err=cont_on_err,
            only_obj_name=only_obj_name,
            streaming_get=streaming_get,
            colocation=int(colocation) or None,
        )
        if objects is not None and (entries := entries_of_names(objects, bucket)) is not None:
            self.request.moss_in = entries
        elif objects is not None:
            is_one = isinstance(objects, str | dict | Object | MossIn) or not hasattr(objects, "__iter__")
            for item in [objects] if is_one else objects:
                self._add_item(item)

    @property
    def requests_list(self) -> list[MossIn]:
        """The live list of entries."""
        return self.request.moss_in

    @property
    def extractor(self) -> Format:
        """What unpacks the answer: the archive format."""
        return self._format

    def _add_item(self, item: Any) -> None:
        if isinstance(item, MossIn):
            self.request.add(item)
        elif isinstance(item, Object):
            self.add(item)
        else:
            self.add(**split_item(item))

    def add(
        self,
        obj: "Object | str",
        opaque: Any = None,
        archpath: Any = None,
        start: int | None = None,
        length: int | None = None,
        bck: str | None = None,
        provider: str | None = None,
    ) -> "Batch":
        """Add one entry.

        Args:
            obj: an object or the name of one; a name needs `bck` and `provider`, or the batch's bucket.
            opaque: bytes that come back with the entry.
            archpath: a member of the archive that the object is. `opaque` and `archpath` are told apart by type, so
                that both orders work.
            start, length: byte range, of the member if there is one; `length=-1` means to the end.

        Returns:
            The batch itself.

        Raises:
            ValueError: an impossible range, or a wrong combination of names.
        """
        opaque, archpath = split_positional(opaque, archpath)
        if isinstance(obj, Object):
            if bck is not None or provider is not None:
                raise ValueError("bck/provider cannot be combined with an Object instance")
            namespace = obj.bucket_namespace
            entry = entry_of_object(obj, namespace, opaque, archpath, start, length)
        else:
            entry = entry_of_name(obj, self.bucket, opaque, archpath, start, length, bck, provider)
        self.request.moss_in.append(entry)
        return self

    def clear(self) -> "Batch":
        """Forget the entries, keep the options."""
        self.request.moss_in = []
        return self

    def get(
        self,
        raw: bool = False,
        decode_as_stream: bool = False,
        clear_batch: bool = True,
        *,
        tar_buffer_size: int | None = None,
        zero_copy: bool = False,
        strict: bool = True,
        resume: bool | int = True,
        checksum: bool = False,
    ) -> "BatchStream | RawStream":
        """Send the request, and iterate over `(MossOut, bytes)` pairs in request order.

        Args:
            raw: return the undecoded answer; the caller closes it.
            decode_as_stream: accepted for compatibility; buffered answers are always decoded as they arrive.
            clear_batch: forget the entries once the answer has begun.
            tar_buffer_size: bytes of the receive buffer, for the TAR family.
            zero_copy: yield `memoryview`s of the receive buffers. Each stays valid for as long as it is kept; keeping
                many keeps their buffers in memory.
            strict: every entry must be delivered under its own name. False ends silently when a well-formed archive
                holds fewer members than entries, and does not compare names.
            resume: continue after a broken connection with the entries that are still due; a number limits how often,
                True means five times.
            checksum: verify the checksum of every entry, with servers that send them.

        Raises:
            ValueError: an empty batch, or options that exclude each other.
            AISError: the cluster refused the batch; with `cont_on_err=False` also when an entry is missing.
            TransportError: no answer.
            BatchIncompleteError: (from the iteration) entries were not delivered.
            BatchMismatchError, BatchChecksumError, BatchError: (from the iteration) the archive is not what was asked
                for, or damaged.
        """
        if not self.requests_list:
            raise ValueError("No objects added to batch")
        check_buffer_size(tar_buffer_size, self._format, is_raw=raw)
        run = _Run(
            self.request_client,
            self.bucket,
            self.request,
            self._format,
            strict=strict,
            zero_copy=zero_copy,
            checksum=checksum,
            resumes_left=resumes_of(resume),
            buffer_bytes=tar_buffer_size,
            is_raw=raw,
        )
        run.snapshot(copy=not clear_batch)
        run.send(run.delivery.entries)
        if clear_batch:
            self.clear()
        return RawStream(run.response) if raw else BatchStream(run)

    def __len__(self) -> int:
        return len(self.request.moss_in)

    def __repr__(self) -> str:
        return f"Batch(objects={len(self)}, format={self.request.output_format})"


@dataclass
class _Run:
    """One execution of a batch: what was asked for, how far it got, and the answer that is open."""

    session: RequestClient
    bucket: Bucket | None
    request: MossReq
    format: Format
    strict: bool
    zero_copy: bool
    checksum: bool
    resumes_left: int
    buffer_bytes: int | None
    is_raw: bool
    delivery: Delivery = None  # type: ignore[assignment]
    response: Response = None  # type: ignore[assignment]

    def snapshot(self, *, copy: bool) -> None:
        """Keep the request as it is now."""
        entries = list(self.request.moss_in) if copy else self.request.moss_in
        self.request = self.request.model_copy(update={"moss_in": entries})
        bucket = self.bucket.name if self.bucket is not None else ""
        provider = self.bucket.provider.value if self.bucket is not None else "ais"
        self.delivery = Delivery(entries, (), (bucket, provider))

    def send(self, entries: Any) -> None:
        """Ask for entries; the answer's head is received, its body waits."""
        query = []
        path = "/ml/moss"
        if self.bucket is not None:
            path = f"/ml/moss/{quote(self.bucket.name, safe='')}"
            query = bucket_query(self.bucket.provider, self.bucket.namespace)
        if self.request.colocation:
            query.append(("coloc", str(int(self.request.colocation))))
        headers = dict(DIRECT)
        if self.request.streaming_get and not self.is_raw:
            headers[names.MOSS_BATCH_STATUS] = "1"
            if self.checksum:
                headers[names.MOSS_BATCH_CHECKSUM] = "1"
        body = encode_request(self.request.model_copy(update={"moss_in": entries}))
        self.response = self.session.open(Request("GET", path, query, headers, body))

    def prepare(self, pool: BufferPool) -> tuple[Assembly, Intake, ZipSpool | None]:
        """Everything that turns the open answer into pairs."""
        delivery = self.delivery
        if not delivery.names:
            delivery.names = member_names(
                delivery.entries, delivery.bucket[0], only_obj_name=bool(self.request.only_obj_name)
            )
        tar = TarInput(pool)
        content_type = self.response.headers.get(names.CONTENT_TYPE, "")
        intake, spool = make_intake(self.format, tar, content_type, is_buffered=not self.request.streaming_get)
        assembly = Assembly(
            delivery,
            tar,
            spool,
            strict=self.strict,
            zero_copy=self.zero_copy,
            verify_checksum=self.checksum and self.response.headers.get(names.MOSS_BATCH_CHECKSUM) == "1",
        )
        return assembly, intake, spool

    def resume(self, assembly: Assembly, had_progress: bool, cause: Exception | None) -> bool:
        """After an answer that did not deliver everything: ask for the rest.

        Returns:
            False when a short archive is acceptable.

        Raises:
            BatchIncompleteError: no more attempts, or the server does not get any further.
        """
        self.response.close()
        delivery = self.delivery
        is_whole = assembly.is_ended or (cause is None and assembly.tar.is_at_boundary)
        if is_whole and not self.strict:
            return False
        assembly.keep_cut_payload()
        if self.resumes_left <= 0 or (assembly.is_ended and not had_progress):
            reason = str(cause) if cause else "the archive ends early"
            missing = delivery.entries[delivery.index :]
            raise BatchIncompleteError(delivery.index, len(delivery.entries), missing, reason) from cause
        self.resumes_left -= 1
        if not had_progress:
            sleep(min(_RESUME_WAIT_S_MAX, _RESUME_WAIT_S * (1 + random.random())))
        first_size = delivery.head_member.size if delivery.head_member is not None else 0
        rest, is_cut = remaining_entries(delivery.entries, delivery.index, len(delivery.head), first_size)
        if not is_cut:
            delivery.head, delivery.head_member = b"", None
        self.send(rest)
        return True


class BatchStream:
    """Iterates once over the pairs of a batch; also a context manager. Closing it early closes the connection."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._pairs = _deliver(run)
        self._was_started = False

    def __iter__(self) -> Iterator[Pair]:
        self._was_started = True
        return self._pairs

    def __next__(self) -> Pair:
        self._was_started = True
        return next(self._pairs)

    def close(self) -> None:
        """Stop; entries that were not read are dropped."""
        self._pairs.close()
        self._run.response.close()

    def __enter__(self) -> "BatchStream":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __del__(self) -> None:
        if not self._was_started:
            self._run.response.close()


def _deliver(run: _Run) -> Generator[Pair, None, None]:
    """Yield the pairs of a run, over as many answers as it takes."""
    session, delivery = run.session, run.delivery
    pool = session.take_buffers() if run.buffer_bytes is None else BufferPool(max(run.buffer_bytes, 1024))
    try:
        while True:
            assembly, intake, spool = run.prepare(pool)
            first, cause = delivery.index, None
            try:
                while True:
                    for pair in assembly.pairs():
                        yield pair
                    if assembly.is_ended:
                        break
                    count = run.response.receive_into(intake.space())
                    if not count:
                        intake.end()
                        break
                    intake.received(count)
                    assembly.metadata = intake.metadata
                if spool is not None:
                    for pair in assembly.zip_pairs():
                        yield pair
            except (TransportError, TruncatedArchive) as error:
                cause = error
            except (BadArchive, ArchiveLimit) as error:
                raise BatchError(f"Failed to read tar archive stream: {error}") from error
            if delivery.is_complete:
                run.response.finish()
                return
            if not run.resume(assembly, delivery.index > first, cause):
                return
    finally:
        run.response.close()
        session.keep_buffers(pool)
