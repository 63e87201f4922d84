"""The push parser against archives of the standard library, and against damage."""

import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moss.archive.tar import build_header
from moss.sdk.batch.assembly import Assembly, Delivery
from moss.sdk.batch.buffers import BufferPool
from moss.sdk.batch.errors import BatchError, BatchMismatchError
from moss.sdk.batch.tar import TarInput
from moss.sdk.batch.types import MossIn
from tests.sdk.peer import build_tar


def receive(data: bytes, names: list[str], sizes=(1 << 20,), buffer_bytes=4096, **options):
    """Feed an archive in pieces; return what came out, the assembly, and how much was left over."""
    delivery = Delivery([MossIn(name) for name in names], names, ("", "ais"))
    assembly = Assembly(delivery, TarInput(BufferPool(buffer_bytes)), **options)
    got, at, i = list(assembly.pairs()), 0, 0
    while at < len(data) and not assembly.is_ended:
        room = assembly.tar.space()
        count = min(len(room), sizes[i % len(sizes)], len(data) - at)
        room[:count] = data[at : at + count]
        room.release()
        at, i = at + count, i + 1
        assembly.tar.received(count)
        got += assembly.pairs()
    return [(out.obj_name, payload) for out, payload in got], assembly


MEMBERS = st.lists(
    st.tuples(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=300), st.binary()),
    max_size=8,
)


@settings(deadline=None)
@given(MEMBERS, st.lists(st.integers(1, 3000), min_size=1), st.booleans(), st.sampled_from([1024, 4096, 1 << 20]))
def test_every_archive_comes_out_whatever_the_pieces(members, sizes, zero_copy, buffer_bytes):
    members = [(f"m{name}", data) for name, data in members]
    names = [name for name, _ in members]
    got, assembly = receive(build_tar(members), names, sizes, buffer_bytes, zero_copy=zero_copy, strict=False)
    assert [(name, bytes(payload)) for name, payload in got] == members
    assert assembly.is_ended and assembly.delivery.is_complete


def test_views_stay_valid_as_long_as_they_are_kept():
    members = [(f"b/o{i}", bytes([i]) * 3000) for i in range(60)]
    got, _ = receive(build_tar(members), [n for n, _ in members], (1000,), 8192, zero_copy=True)
    assert all(isinstance(payload, memoryview) for _, payload in got)
    assert [bytes(payload) for _, payload in got] == [data for _, data in members]


def test_buffers_are_used_again_when_views_are_dropped():
    pool = BufferPool(4096)
    first = pool.take()
    view = memoryview(first)[10:20]
    second = pool.take()
    assert second is not first
    view.release()
    assert pool.take() is first
    assert len(pool.take(10_000)) >= 10_000
    pool.trim()
    assert len(pool.take()) == 4096


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_long_names_of_every_dialect(format):
    name = "b/" + "/".join(["directory"] * 15) + "/" + "x" * 80
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format) as tar:
        info = tarfile.TarInfo(name)
        info.size = 5
        tar.addfile(info, io.BytesIO(b"hello"))
    assert receive(file.getvalue(), [name], (100,))[0] == [(name, b"hello")]


def test_folders_are_no_entries():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        folder = tarfile.TarInfo("d")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        info = tarfile.TarInfo("d/x")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"1"))
    assert receive(file.getvalue(), ["d/x"])[0] == [("d/x", b"1")]


def test_a_member_of_more_than_8_gib_is_announced_without_room_for_it():
    size = 9 << 30
    _, assembly = receive(build_header("b/huge", size), ["b/huge"])
    assembly.tar.space()
    assert assembly.tar.pending.size == size
    assert len(assembly.tar.view) <= 64 << 20


def test_members_much_larger_than_the_buffer():
    members = [("b/a", b"a" * 300_000), ("b/b", b"b"), ("b/c", b"c" * 100_000)]
    got, _ = receive(build_tar(members), [n for n, _ in members], (7000,), 1024)
    assert got == members


@pytest.mark.parametrize("cut", [1, 511, 512, 513, 700, 1023, 1024, 1535])
def test_what_was_cut_is_known(cut):
    data = build_tar([("b/a", b"x" * 600), ("b/b", b"y")])
    got, assembly = receive(data[:cut], ["b/a", "b/b"])
    assert got == ([("b/a", b"x" * 600)] if cut >= 1112 else [])
    assembly.keep_cut_payload()
    head = assembly.delivery.head
    assert head == (b"x" * (cut - 512) if 512 <= cut < 1112 else b"")
    assert not assembly.is_ended


@pytest.mark.parametrize("position", [0, 100, 124, 148, 156, 257 + 3, 400])
def test_a_flipped_header_bit_is_an_error(position):
    data = bytearray(build_tar([("b/a", b"x" * 600)]))
    data[position] ^= 1
    with pytest.raises(BatchError):
        receive(bytes(data), ["b/a"])


def test_garbage_is_an_error():
    with pytest.raises(BatchError, match="Failed to read tar archive stream"):
        receive(b"garbage" * 1000, ["b/a"])


def test_a_wrong_name_is_an_error_only_when_strict():
    data = build_tar([("b/a", b"1"), ("b/x", b"2")])
    with pytest.raises(BatchMismatchError) as caught:
        receive(data, ["b/a", "b/b"])
    assert (caught.value.index, caught.value.expected, caught.value.found) == (1, "b/b", "b/x")
    assert receive(data, ["b/a", "b/b"], strict=False)[0] == [("b/a", b"1"), ("b/b", b"2")]


def test_a_surplus_member_is_an_error():
    with pytest.raises(BatchMismatchError, match="more members"):
        receive(build_tar([("b/a", b"1"), ("b/b", b"2")]), ["b/a"])


@settings(deadline=None)
@given(st.binary(max_size=3000), st.lists(st.integers(1, 700), min_size=1))
def test_hostile_bytes_do_no_worse_than_an_error(data, sizes):
    try:
        receive(data, ["b/a"], sizes, 1024)
    except BatchError:
        pass
