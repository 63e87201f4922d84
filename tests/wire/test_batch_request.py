"""Decoding and encoding of batch requests: what is accepted, what is refused and with which words."""

import base64
import json
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moss.errors import InvalidBody, InvalidName, InvalidProvider, InvalidQuery, InvalidRange, InvalidRequest
from moss.naming.bucket import Bucket, Namespace, Provider
from moss.wire.batch import (
    BatchRequest,
    Entry,
    decode_request,
    encode_cli_request,
    encode_request,
    member_name,
    parse_colocation,
)
from moss.wire.query import Query

B = Bucket("b")


def decode(value: Any, default: Bucket | None = B) -> BatchRequest:
    return decode_request(value if isinstance(value, bytes) else json.dumps(value).encode(), default)


def meaning(request: BatchRequest) -> BatchRequest:
    """The request with its entries as tuples: models of entries differ in memory, not in meaning."""
    fields = Entry.__struct_fields__
    return replace(request, entries=[tuple(getattr(entry, name) for name in fields) for entry in request.entries])


def refused(value: Any, default: Bucket | None = B) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        decode(value, default)
    return caught.value


# --- forms of the body ---


def test_the_bare_form_with_defaults() -> None:
    request = decode({"in": [{"objname": "a"}, {"objname": "b"}]})
    assert request.names == ["a", "b"]
    assert (request.mime, request.continue_on_error, request.omit_bucket, request.streaming) == (
        "",
        False,
        False,
        False,
    )
    assert (request.colocation, request.buckets, request.bucket_of) == (0, [B], None)
    assert not (request.has_members or request.has_ranges or request.has_buckets or request.has_opaque)


@pytest.mark.parametrize("action", ["getbatch", "get-batch", "", None, ...])
def test_btr_23_the_documented_wrapped_form_means_the_same(action: Any) -> None:
    bare = {"mime": ".tgz", "coer": True, "onob": True, "strm": True, "coloc": 1, "in": [{"objname": "a"}]}
    wrapped = {"action": action, "name": "", "value": bare}
    if action is ...:
        del wrapped["action"]
    assert meaning(decode(wrapped)) == meaning(decode(bare))
    assert decode(bare).mime == ".tgz" and decode(bare).colocation == 1


@pytest.mark.parametrize("action", ["list", "GetBatch"])
def test_a_wrapped_request_for_another_action_is_refused(action: str) -> None:
    error = refused({"action": action, "value": {"in": [{"objname": "a"}]}})
    assert error.message == f'invalid action "{action}"'


def test_entries_at_the_top_win_over_those_inside_value() -> None:
    assert decode({"action": "list", "value": {"in": [{"objname": "b"}]}, "in": [{"objname": "a"}]}).names == ["a"]
    assert refused({"in": None, "value": {"in": [{"objname": "b"}]}}).message == "moss: empty input"
    assert refused({"in": [], "value": {"in": [{"objname": "b"}]}}).message == "moss: empty input"


def test_keys_match_in_any_letter_case_and_the_last_of_a_repeated_key_counts() -> None:
    request = decode({"IN": [{"OBJNAME": "a"}, {"ObjName": "s.tar", "ArchPath": "x", "Start": 2, "LENGTH": 3}]})
    assert request.names == ["a", "s.tar"]
    assert request.entries[1] == Entry(objname="s.tar", archpath="x", start=2, length=3)
    assert request.has_members and request.has_ranges
    assert decode(b'{"in":[{"objname":"a"}],"IN":[{"objname":"b","OBJNAME":"c"}]}').names == ["c"]
    assert decode(b'{"in":[{"objname":"a"}],"in":[{"objname":"b","objname":"c"}]}').names == ["c"]
    assert decode({"Action": "getbatch", "VALUE": {"In": [{"objname": "a"}]}}).names == ["a"]


def test_unknown_keys_are_ignored() -> None:
    request = decode(
        {"in": [{"objname": "a", "size": "7", "objnames": ["b"]}], "deep": {"in": [{"objname": "../"}], "n": 1e9}}
    )
    assert request.names == ["a"]
    assert decode(b'{"in":[{"objname":"a","n":' + b"9" * 5000 + b"}]}").names == ["a"]


def test_null_is_the_default_of_every_key() -> None:
    fields = ("bucket", "provider", "uname", "archpath", "opaque", "start", "length")
    entry = {"objname": "a"} | dict.fromkeys(fields)
    options = dict.fromkeys(("mime", "coer", "onob", "strm", "coloc"))
    assert meaning(decode({"in": [entry]} | options)) == meaning(decode({"in": [{"objname": "a"}]}))


@pytest.mark.parametrize("tail", [b"garbage", b'\n{"in":[{"objname":"../x"}]}', b" \r\n\r\n", b"\xff\xfe", b"]"])
def test_only_the_first_json_value_is_looked_at(tail: bytes) -> None:
    assert decode(b'\n\t {"strm":true,"in":[{"objname":"a"}]}' + tail).streaming


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"{}",
        b'{"in":null}',
        b'{"in":[],"strm":true}',
        b'{"mime":".tar"}',
        b'{"value":null}',
        b'{"value":[1]}',
        b'{"action":"getbatch","value":{"in":[]}}',
    ],
)
def test_requests_without_a_single_entry(body: bytes) -> None:
    error = refused(body)
    assert isinstance(error, InvalidBody) and error.message == "moss: empty input"


@pytest.mark.parametrize("body", [b"", b"   ", b"[]", b'"a"', b"17", b"hello", b"\xef\xbb\xbf{}", b"//x\n{}", b"\xff"])
def test_what_is_no_object_is_refused_with_the_known_words(body: bytes) -> None:
    assert "expect { or n, but found" in refused(body).message


@pytest.mark.parametrize("body", [
    b"nul", b'{"in":[{"objname":"a"}', b'{"in":[{"objname":"a', b'{"in":[{"objname":}]}', b'{"in":[{"objname":"a"},]}',
    b"{'in':[{'objname':'a'}]}", b'{"in":[{"objname":"a","start":NaN}]}', b'{"x":Infinity,"in":[{"objname":"a"}]}',
    b'{"in":[{"objname":"a","start":01}]}', b'{"in":[{"objname":"a"}]/*c*/}', b'{"in":[{"objname":"a\nb"}]}',
])  # fmt: skip
def test_malformed_json_is_refused(body: bytes) -> None:
    assert isinstance(refused(body), InvalidBody)


@pytest.mark.parametrize(
    "body",
    [
        '{"in":{"objname":"a"}}',
        '{"in":"a"}',
        '{"in":["a"]}',
        '{"in":[["a"]]}',
        '{"in":[{"objname":5}]}',
        '{"in":[{"objname":"a","start":"1","length":1}]}',
        '{"in":[{"objname":"a","length":1.5}]}',
        '{"in":[{"objname":"a","length":1.0}]}',
        '{"in":[{"objname":"a","length":1e0}]}',
        '{"in":[{"objname":"a","length":9223372036854775808}]}',
        '{"in":[{"objname":"a","start":-9223372036854775809}]}',
        '{"in":[{"objname":"a","length":true}]}',
        '{"in":[{"objname":"a","archpath":["x"]}]}',
        '{"in":[{"objname":"a","opaque":12}]}',
        '{"in":[{"objname":"a","opaque":{"k":"v"}}]}',
        '{"coer":"true","in":[{"objname":"a"}]}',
        '{"strm":1,"in":[{"objname":"a"}]}',
        '{"mime":3,"in":[{"objname":"a"}]}',
        '{"coloc":"1","in":[{"objname":"a"}]}',
        '{"coloc":256,"in":[{"objname":"a"}]}',
        '{"coloc":-1,"in":[{"objname":"a"}]}',
        '{"action":1,"value":{"in":[{"objname":"a"}]}}',
    ],
)
def test_values_of_the_wrong_type_are_refused_not_converted(body: str) -> None:
    assert isinstance(refused(body.encode()), InvalidBody)


def test_a_hint_in_the_body_that_means_nothing_is_no_hint() -> None:
    assert decode({"coloc": 2, "in": [{"objname": "a"}]}).colocation == 2
    assert decode({"coloc": 3, "in": [{"objname": "a"}]}).colocation == 0


# --- names in odd encodings ---


@pytest.mark.parametrize(
    ("literal", "name"),
    [
        (b'"\\u0061"', "a"),
        (b'"\xc3\xa9 \\u00fc"', "é ü"),
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"a\\u0000b"', "a\0b"),
        (b'"a\xffb"', "a\udcffb"),
        (b'"\xed\xa0\x80"', "\udced\udca0\udc80"),
        (b'"a\\ud800b"', "a\ufffdb"),
        (b'"a\\udc80b"', "a\ufffdb"),
        (b'"\\ud800\\ud83d\\ude00"', "\ufffd😀"),
        (b'"\\\\ud800"', "\\ud800"),
        (b'"\\ud800\xff"', "\ufffd\udcff"),
    ],
)
def test_any_bytes_are_a_name(literal: bytes, name: str) -> None:
    request = decode(b'{"in":[{"objname":' + literal + b"}]}")
    assert request.names == [name]
    name.encode("utf-8", "surrogateescape")  # every name is bytes


def test_keys_written_with_escapes_are_keys() -> None:
    request = decode(b'{"in":[{"objname":"a","\\u0073tart":5,"leng\\u0074h":1,"buc\\u006bet":"c"}]}')
    assert request.entries == [Entry(objname="a", bucket="c", start=5, length=1)]
    assert request.has_ranges and request.has_buckets and request.buckets == [Bucket("c")]


# --- validation ---


@pytest.mark.parametrize("name", ["", "a/", "dir/sub/", ".", "..", "../a", "a/..", "a/../b", "a/./b", "./a", "~/a"])
def test_refused_object_names(name: str) -> None:
    error = refused({"in": [{"objname": "a"}, {"objname": name}], "coer": True})
    assert isinstance(error, InvalidName) and error.message == f'invalid object name "{name}"'


def test_an_entry_without_a_name_is_refused() -> None:
    for entry in ({}, {"bucket": "b"}, None, {"objname": None}):
        assert refused({"in": [entry]}).message == 'invalid object name ""'


@pytest.mark.parametrize("path", ["../x", "d/", "d/../a.txt", "./a.txt", "..", "~/a.txt", "/"])
def test_refused_member_paths(path: str) -> None:
    error = refused({"in": [{"objname": "s.tar", "archpath": "a"}, {"objname": "s.tar", "archpath": path}]})
    assert isinstance(error, InvalidName) and error.message == f'invalid archpath "{path}" (oname: "s.tar")'


def test_a_member_path_may_begin_with_a_slash() -> None:
    request = decode({"in": [{"objname": "s.tar", "archpath": "/a.txt"}, {"objname": "s.tar", "archpath": "//a"}]})
    assert [entry.member_path for entry in request.entries] == ["a.txt", "/a"]
    assert request.has_members


@pytest.mark.parametrize(
    ("start", "length", "span"),
    [
        (5, 0, "start=5,length=0"),
        (-1, 0, "start=-1,length=0"),
        (-5, -1, "start=-5"),
        (-3, 10, "start=-3,length=10"),
        (0, -2, "start=0,length=-2"),
        (1, -(1 << 63), "start=1,length=-9223372036854775808"),
    ],
)
def test_ranges_that_say_nothing_sensible(start: int, length: int, span: str) -> None:
    error = refused({"in": [{"objname": "a"}, {"objname": "o", "start": start, "length": length}]})
    assert isinstance(error, InvalidRange) and error.message == f'not satisfiable range [{span} (oname: "o")]'


@pytest.mark.parametrize(
    ("start", "length"), [(0, 0), (0, -1), (7, -1), (0, 1), (7, 3), ((1 << 63) - 1, (1 << 63) - 1)]
)
def test_ranges_that_some_object_could_satisfy(start: int, length: int) -> None:
    request = decode({"in": [{"objname": "a"}, {"objname": "o", "start": start, "length": length}]})
    assert (request.entries[1].start, request.entries[1].length) == (start, length)
    assert request.has_ranges is (length != 0)


def test_the_first_error_in_entry_order_wins() -> None:
    assert "invalid object name" in refused({"in": [{"objname": "b/"}, {"objname": "a", "start": 3}]}).message
    assert "not satisfiable" in refused({"in": [{"objname": "a", "start": 3}, {"objname": "b/"}]}).message
    assert "backend provider" in refused(
        {"in": [{"objname": "a", "bucket": "c", "provider": "foo"}, {"objname": "a", "archpath": "d/"}]}
    ).message  # fmt: skip
    assert "invalid archpath" in refused(
        {"in": [{"objname": "a", "archpath": "d/"}, {"objname": "a", "bucket": "c", "provider": "foo"}]}
    ).message  # fmt: skip
    assert "illegal base64" in refused({"in": [{"objname": "a", "opaque": "!"}, {"objname": "b/"}]}).message


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("aWQtMQ==", b"id-1"),
        ("aWQtMQ", b"id-1"),
        ("+/+/", b"\xfb\xff\xbf"),
        ("-_-_", b"\xfb\xff\xbf"),
        ("_w", b"\xff"),
        ("", None),
        (None, None),
    ],
)
def test_opaque_may_be_of_either_alphabet_padded_or_not(text: str | None, data: bytes | None) -> None:
    request = decode({"in": [{"objname": "a", "opaque": text}]})
    assert request.entries[0].opaque == data
    assert request.has_opaque is (data is not None)


@pytest.mark.parametrize(("text", "at"), [("!!!!", 0), ("YW Jj", 2), ("A", 1), ("YW=Jj", 2), ("====", 0), ("YWJjé", 4)])
def test_opaque_that_is_no_base64(text: str, at: int) -> None:
    message = refused({"in": [{"objname": "a", "opaque": text}]}).message
    assert message == f"illegal base64 data at input byte {at}"


# --- buckets ---


def test_an_entrys_own_bucket_is_ais_unless_it_says_otherwise() -> None:
    request = decode({"in": [{"objname": "a", "bucket": "c"}]}, Bucket("p", Provider.AWS))
    assert request.buckets == [Bucket("c")] and request.bucket_of is None and request.has_buckets
    assert decode({"in": [{"objname": "a", "bucket": "c", "provider": "s3"}]}).buckets == [Bucket("c", Provider.AWS)]


def test_a_provider_without_a_bucket_is_ignored_whatever_it_says() -> None:
    request = decode({"in": [{"objname": "a", "provider": "nonsense"}, {"objname": "a", "provider": ""}]})
    assert request.buckets == [B] and request.bucket_of is None and not request.has_buckets


def test_distinct_buckets_in_order_of_first_use() -> None:
    request = decode({"in": [
        {"objname": "1", "bucket": "c"}, {"objname": "2"}, {"objname": "3", "bucket": "c", "provider": "ais"},
        {"objname": "4", "uname": "ais/@#/d/", "bucket": "no such", "provider": "foo"}, {"objname": "5", "bucket": "b"},
    ]})  # fmt: skip
    assert request.buckets == [Bucket("c"), B, Bucket("d")]
    assert request.bucket_of == [0, 1, 0, 2, 1]
    assert [request.bucket_at(i).name for i in range(5)] == ["c", "b", "c", "d", "b"]


def test_a_repeated_path_bucket_keeps_its_namespace() -> None:
    default = Bucket("b", namespace=Namespace("", "ns"))
    request = decode({"in": [{"objname": "a", "bucket": "b", "provider": "ais"}, {"objname": "a"}]}, default)
    assert request.buckets == [default] and request.bucket_of is None
    assert decode({"in": [{"objname": "a", "bucket": "b", "provider": "s3"}]}, default).buckets != [default]


def test_btr_24_a_uname_names_a_bucket_and_the_object_keeps_its_name() -> None:
    request = decode({"in": [{"objname": "a", "uname": "ais/@#ns/d/"}]}, None)
    assert request.buckets == [Bucket("d", namespace=Namespace("", "ns"))]
    assert member_name(request.entries[0], request.bucket_at(0).name, omit_bucket=False) == "d/a"


def test_an_entry_that_has_no_bucket_from_anywhere() -> None:
    for second in ({"objname": "a"}, {"objname": "a", "provider": "ais"}, {"objname": "a", "archpath": "x"}):
        error = refused({"in": [{"objname": "z", "bucket": "c"}, second]}, None)
        assert error.message == 'missing bucket specification for object "a"'
    assert "missing bucket" in refused({"in": [{"objname": "a"}]}, None).message


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"bucket": "b" * 70}, "bucket name is too long: 70 > 64(max length)"),
        ({"bucket": "my bucket"}, "bucket name is invalid"),
        ({"bucket": ".mine"}, 'reserved bucket name ".mine" (unknown system bucket)'),
        ({"uname": "ais/@#/b"}, "bucket name is missing"),
        ({"uname": "ais/@#/b/a"}, 'not expecting object name (got "ais://b/a")'),
    ],
)
def test_entries_with_impossible_buckets(fields: dict[str, str], text: str) -> None:
    assert text in refused({"in": [{"objname": "a"}, {"objname": "a"} | fields]}).message


def test_unknown_providers_are_refused_in_unames_too() -> None:
    for fields in ({"bucket": "c", "provider": "Ais"}, {"uname": "Ais/@#/c/"}):
        error = refused({"in": [{"objname": "a"} | fields]})
        assert isinstance(error, InvalidProvider) and 'invalid backend provider "Ais"' in error.message


# --- the hint in the URL ---


def test_the_hint_of_the_url() -> None:
    assert parse_colocation(Query("")) is None
    assert parse_colocation(Query("coloc=2&coloc=1")) == 1
    for text, message in (
        ("3", "invalid 'coloc=3' (expecting 0, 1, or 2)"),
        ("", "dpq: 'coloc=', err: invalid syntax"),
        ("0x1", "dpq: 'coloc=0x1', err: invalid syntax"),
        ("256", "dpq: 'coloc=256', err: value out of range"),
    ):
        with pytest.raises(InvalidQuery) as caught:
            parse_colocation(Query("coloc=" + text))
        assert caught.value.message == message


# --- encoding ---

ENTRIES = [
    Entry(objname="a"),
    Entry(objname="s.tar", bucket="c", provider="aws", archpath="x", opaque=b"\xfb\xff", start=1, length=-1),
    Entry(objname="d", uname="ais/@#ns/d/"),
]


def test_the_body_of_the_sdk() -> None:
    assert encode_request(ENTRIES) == (
        b'{"in":[{"objname":"a"},{"objname":"s.tar","bucket":"c","provider":"aws","archpath":"x","opaque":"+/8=",'
        b'"start":1,"length":-1},{"objname":"d","uname":"ais/@#ns/d/"}],"mime":".tar","coer":true,"onob":false,"strm":true}'
    )
    assert encode_request([Entry("a")], mime=".zip", continue_on_error=False, omit_bucket=True, streaming=False,
                          colocation=1) == (
        b'{"in":[{"objname":"a"}],"mime":".zip","coer":false,"onob":true,"strm":false,"coloc":1}'
    )  # fmt: skip


def test_the_body_of_the_command_line() -> None:
    assert encode_cli_request([Entry("a")]) == b'{"in":[{"objname":"a"}],"onob":false,"strm":false}'
    assert encode_cli_request([Entry("a")], mime=".tgz", continue_on_error=True, streaming=True, colocation=2) == (
        b'{"mime":".tgz","in":[{"objname":"a"}],"coer":true,"onob":false,"strm":true,"coloc":2}'
    )


def test_the_official_client_sends_what_ours_sends() -> None:
    official = pytest.importorskip("aistore.sdk.batch.types")
    request = official.MossReq(output_format=".tar", cont_on_err=True, only_obj_name=False, streaming_get=True)
    request.add(official.MossIn(obj_name="a"))
    request.add(official.MossIn(
        obj_name="s.tar", bck="c", provider="aws", archpath="x", start=1, length=-1,
        opaque=base64.urlsafe_b64encode(b"\xfb\xff").decode(),
    ))  # fmt: skip
    request.add(official.MossIn(obj_name="d", uname="ais/@#ns/d/"))
    ours = json.loads(encode_request(ENTRIES))
    ours["in"][1]["opaque"] = ours["in"][1]["opaque"].replace("+", "-").replace("/", "_")
    assert list(request.dict()) == list(ours) and request.dict() == ours
    assert decode(request.dict()).entries == ENTRIES


_text = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12)
_bytes_text = st.binary(min_size=1, max_size=12).map(lambda data: data.decode("utf-8", "surrogateescape"))
_safe_name = (_text | _bytes_text).map(lambda name: "n" + name.replace("/", "-"))
_entries = st.lists(
    st.builds(
        Entry,
        objname=_safe_name,
        bucket=st.sampled_from(["", "b", "c"]),
        provider=st.sampled_from(["", "ais", "s3"]),
        uname=st.sampled_from(["", "ais/@#/d/"]),
        archpath=st.just("") | _safe_name,
        opaque=st.none() | st.binary(min_size=1, max_size=8),
        start=st.integers(0, (1 << 63) - 1),
        length=st.just(-1) | st.integers(1, (1 << 63) - 1),
    ),
    min_size=1,
    max_size=8,
)


@given(_entries, st.booleans(), st.booleans())
def test_encoding_then_decoding_is_the_identity(entries: list[Entry], soft: bool, wrapped: bool) -> None:
    body = encode_request(entries, continue_on_error=soft)
    if wrapped:
        body = b'{"action":"getbatch","value":' + body + b"}"
    request = decode_request(body, B)
    assert request.entries == entries and request.continue_on_error is soft
    assert (
        decode_request(encode_cli_request(entries, continue_on_error=soft, mime=".tar", streaming=True), B) == request
    )


_valid_or_not = st.fixed_dictionaries(
    {},
    optional={
        "objname": st.sampled_from(["a", "d/b", "", "../x", "a/", "é"]),
        "bucket": st.sampled_from(["", "c", "bad name"]),
        "provider": st.sampled_from(["", "s3", "foo"]),
        "uname": st.sampled_from(["", "ais/@#/d/", "x"]),
        "archpath": st.sampled_from(["", "x", "/x", "d/"]),
        "opaque": st.sampled_from(["", "aWQ=", "!", "-_"]),
        "start": st.sampled_from([0, 1, -1]),
        "length": st.sampled_from([0, -1, 5, -2]),
    },
)


@given(st.lists(_valid_or_not, max_size=5), st.sampled_from([None, B]))
def test_the_quick_path_and_the_exact_path_agree(entries: list[dict[str, Any]], default: Bucket | None) -> None:
    """An unknown key sends a request to the exact path and must change nothing else."""
    quick: BatchRequest | tuple[type, str]
    exact: BatchRequest | tuple[type, str]
    try:
        quick = meaning(decode({"in": entries}, default))
    except InvalidRequest as error:
        quick = (type(error), error.message)
    try:
        exact = meaning(decode({"in": entries, "unknown": 1}, default))
    except InvalidRequest as error:
        exact = (type(error), error.message)
    assert quick == exact


# --- hostile input ---

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just([]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["in", "IN", "value", "action", "objname", "opaque", "start", "bucket", "uname", "mime", "x"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


def _decodes_or_refuses(body: bytes) -> None:
    try:
        request = decode_request(body, B)
    except InvalidRequest as error:
        error.message.encode()  # every message is printable
    else:
        assert request.entries and request.buckets


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(body: bytes) -> None:
    _decodes_or_refuses(body)


@given(_json)
def test_any_json_is_decoded_or_refused(value: Any) -> None:
    _decodes_or_refuses(json.dumps(value).encode())


@given(st.binary(max_size=30), st.integers(0, 60), st.integers(0, 10))
def test_damaged_requests_are_decoded_or_refused(noise: bytes, at: int, removed: int) -> None:
    body = b'{"in":[{"objname":"a","start":1,"length":2,"opaque":"aWQ="}],"mime":".tar"}'
    _decodes_or_refuses(body[:at] + noise + body[at + removed :])


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 1_000_000,
        b'{"in":' * 200_000,
        b'{"x":' + b"[" * 1_000_000,
        b'{"in":[{"objname":"a","x":' + b'{"a":' * 300_000,
        b'{"in":[{"objname":"a","start":' + b"9" * 1_000_000 + b"}]}",
        b'{"in":[{"objname":"a","start":1e' + b"9" * 1_000_000 + b"}]}",
        b'{"in":[{"objname":"' + b"\\ud800" * 200_000 + b'"}]}',
        b'{"in":[{"objname":"' + b"\xff" * 1_000_000 + b'"}]}',
        b'{"in":[' + b"null," * 200_000 + b"null]}",
        b'{"in":[{"objname":"' + b"../" * 300_000 + b'"}]}',
        b'{"in":[{"objname":"a","opaque":"' + b"=" * 1_000_000 + b'"}]}',
        b'{"in":[' + b'{"objname":"a","provider":"\xff","bucket":"b"},' * 20_000 + b"1]}",
    ],
)
def test_bombs_are_over_quickly(body: bytes) -> None:
    started = time.process_time()
    _decodes_or_refuses(body)
    assert time.process_time() - started < 5


def test_many_entries_decode_faster_than_json_alone() -> None:
    """The quick path is taken for what clients send: `json.loads` is about twice as slow as all of decode_request."""
    body = encode_request([Entry(objname=f"train/{i:08d}.jpg", bucket="b", provider="ais") for i in range(10_000)])

    def quickest(run: Any) -> float:
        times = []
        for _ in range(7):
            started = time.process_time()
            run(body)
            times.append(time.process_time() - started)
        return min(times)

    assert decode_request(body).names[9_999] == "train/00009999.jpg"
    assert quickest(decode_request) < quickest(json.loads)


def test_a_hundred_thousand_entries_are_accepted() -> None:
    assert len(decode_request(encode_request([Entry("a")] * 100_000), B).entries) == 100_000


# --- names in the archive ---


@pytest.mark.parametrize(
    ("entry", "with_bucket", "without"),
    [
        (Entry("o"), "b/o", "o"),
        (Entry("d/o.tar", archpath="x/y"), "b/d/o.tar/x/y", "d/o.tar/x/y"),
        (Entry("o.tar", archpath="/x"), "b/o.tar/x", "o.tar/x"),
        (Entry("o.tar", archpath="//x"), "b/o.tar//x", "o.tar//x"),
        (Entry("o", start=1, length=2), "b/o", "o"),
    ],
)
def test_names_of_members_and_placeholders(entry: Entry, with_bucket: str, without: str) -> None:
    assert member_name(entry, "b", omit_bucket=False) == with_bucket
    assert member_name(entry, "b", omit_bucket=True) == without
    assert member_name(entry, "b", omit_bucket=False, missing=True) == "__404__/" + with_bucket
    assert member_name(entry, "b", omit_bucket=True, missing=True) == "__404__/" + without
