"""Records: what is encoded is parsed again, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moss.errors import BadRecord, TooLarge
from moss.node.storage.records import (
    Record,
    RecordCodec,
    decode_custom,
    encode_custom,
    encode_owner,
    parse_pax,
    pax,
    payload_header,
)

CODEC = RecordCodec(0x0123456789ABCDEF)
U64 = st.integers(0, 2**64 - 1)


def encode(name: bytes, size: int, *, fill_to: int = 0, **fields: object) -> tuple[Record, bytes]:
    record = Record("object", 0, 0, "ais/@#/b/", 7, name, **fields)
    header, extra, _ = payload_header("b", name.decode("utf-8", "surrogateescape"), size)
    owner = encode_owner(record.bucket, record.bucket_id, name)
    return record, CODEC.encode_object(3, 1024, owner, record, header, extra, fill_to=fill_to)


def parse(encoded: bytes, *, segment: int = 3, offset: int = 1024) -> Record | None:
    return CODEC.parse(segment, memoryview(bytes(offset) + encoded), offset)


@given(
    name=st.binary(min_size=1, max_size=1200),
    size=st.one_of(st.integers(0, 2000), st.just(9 << 30)),
    serial=U64,
    xxh3=U64,
    flags=U64,
    created_ns=st.integers(0, 10**19 - 1),
    version=st.text(max_size=30).filter(lambda text: text.isprintable()),
    custom=st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=4),
)
def test_objects_are_parsed_as_they_were_encoded(name, size, serial, xxh3, flags, created_ns, version, custom):
    fields = {"serial": serial, "xxh3": xxh3, "flags": flags, "created_ns": created_ns, "version": version}
    fields |= {"checksum_type": "md5", "checksum_value": "ff", "custom": encode_custom(custom)}
    _, encoded = encode(name, size, **fields)
    found = parse(encoded)
    assert (found.kind, found.bucket, found.bucket_id, found.name) == ("object", "ais/@#/b/", 7, name)
    assert {key: getattr(found, key) for key in fields} == fields
    assert (found.size, found.data_offset, found.start) == (size, 1024 + len(encoded), 1024)
    assert found.stop == found.data_offset + -(-size // 512) * 512
    assert decode_custom(found.custom) == custom


@pytest.mark.parametrize("fill_to", [4096, 8192, 15360])
def test_filled_records(fill_to):
    _, encoded = encode(b"o", 5, fill_to=fill_to)
    assert len(encoded) == fill_to
    assert parse(encoded).name == b"o"
    with pytest.raises(TooLarge):
        encode(b"o", 5, fill_to=fill_to, custom=b"x" * fill_to)


def test_any_flipped_bit_is_noticed():
    _, encoded = encode(b"name", 5, custom=b'{"a":"b"}')
    used = encoded.rstrip(b"\0")
    body_end = 512 + int(encoded[124:135], 8)
    for at in range(len(used)):
        if body_end <= at < len(encoded) - 512:
            continue  # padding of the pax data
        damaged = bytearray(encoded)
        damaged[at] ^= 1 << at % 8
        with pytest.raises(BadRecord):
            parse(bytes(damaged))


def test_a_record_counts_only_in_its_place():
    _, encoded = encode(b"name", 5)
    for place in ({"segment": 4}, {"offset": 1536}):
        with pytest.raises(BadRecord):
            parse(encoded, **place)
    with pytest.raises(BadRecord):
        RecordCodec(1).parse(3, memoryview(bytes(1024) + encoded), 1024)


def test_end_and_garbage():
    assert CODEC.parse(1, memoryview(bytes(1024)), 512) is None
    assert CODEC.parse(1, memoryview(bytes(1024)), 1024) is None
    for garbage in (b"x" * 1024, b"\xff" * 100, b"PaxHeaders.0/moss".ljust(512, b"\0")):
        with pytest.raises(BadRecord):
            CODEC.parse(1, memoryview(garbage), 0)


@given(st.binary(max_size=2048))
def test_hostile_blocks_raise_nothing_else(block):
    try:
        CODEC.parse(1, memoryview(block), 0)
    except BadRecord:
        pass


@given(st.dictionaries(st.from_regex(rb"[a-zA-Z.]{1,20}", fullmatch=True), st.binary(max_size=1100), max_size=6))
def test_pax_records(fields):
    assert parse_pax(b"".join(pax(key, value) for key, value in fields.items())) == fields


@pytest.mark.parametrize("length", range(1, 120))
def test_length_of_a_pax_record_counts_itself(length):
    record = pax(b"k", b"v" * length)
    assert int(record.split(b" ")[0]) == len(record)
