import io
import json
import time
from pathlib import Path

import pytest

from moss.cli.failures import CommandError
from moss.cli.spec import SPEC_BYTES_MAX, Spec, load_spec
from moss.wire.batch import Entry


def load(text: str, stdin: bytes = b"") -> Spec:
    return load_spec(text, lambda: io.BytesIO(stdin))


def load_file(tmp_path: Path, name: str, text: str) -> Spec:
    path = tmp_path / name
    path.write_text(text)
    return load(str(path))


WIRE = {"mime": ".tgz", "in": [{"objname": "a", "bucket": "b"}], "coer": True, "onob": True, "strm": True, "coloc": 2}


@pytest.mark.parametrize(
    "keys",
    [
        ("mime", "in", "coer", "onob", "strm", "coloc"),
        ("output_format", "moss_in", "cont_on_err", "only_obj_name", "streaming_get", "colocation"),
        ("outputformat", "entries", "continueonerr", "onlyobjname", "streamingget", "COLOC"),
        ("Format", "IN", "continue_on_error", "omit_src_bck", "Streaming", "coloc"),
    ],
)
def test_all_spellings_mean_the_same_in_both_syntaxes(tmp_path: Path, keys: tuple[str, ...]) -> None:
    document = dict(zip(keys, WIRE.values(), strict=True))
    expected = Spec([Entry("a", bucket="b")], ".tgz", True, True, True, 2)
    assert load_file(tmp_path, "s.json", json.dumps(document)) == expected
    lines = [f"{key}: {json.dumps(value)}" for key, value in document.items()]
    assert load_file(tmp_path, "s.yaml", "\n".join(lines)) == expected


def test_absent_keys_are_none_and_false_is_not() -> None:
    assert load('{"in":[{"objname":"a"}]}')[1:6] == (None, None, None, None, None)
    assert load('{"in":[], "strm": false}').streaming is False


def test_flow_yaml_inline() -> None:
    spec = load("{ in: [{objname: a.wav, bucket: dataset}, ais://b/s.tar/f], streaming_get: true }")
    assert spec.streaming is True
    assert spec.entries == [Entry("a.wav", bucket="dataset"), Entry("s.tar", bucket="b", provider="ais", archpath="f")]


def test_block_yaml_inline_and_from_standard_input() -> None:
    text = "in:\n- name: a\n  bck: s3://b\n  start: 10\n  length: -1\n"
    expected = [Entry("a", bucket="b", provider="aws", start=10, length=-1)]
    assert load(text).entries == load("-", text.encode()).entries == expected


def test_yaml_scalars_stay_the_names_that_were_typed() -> None:
    spec = load("in:\n- objname: 001\n  bucket: no\n- objname: 12:30\n- 2024-01-01\n- objname: x\n  bucket: ~\n")
    assert [(e.objname, e.bucket) for e in spec.entries] == [
        ("001", "no"),
        ("12:30", ""),
        ("2024-01-01", ""),
        ("x", ""),
    ]


def test_yaml_merge_keys_and_anchors() -> None:
    text = "in:\n- &one {objname: a, bucket: b, start: 0}\n- {<<: *one, objname: c}\n- *one\n"
    assert [(e.objname, e.bucket) for e in load(text).entries] == [("a", "b"), ("c", "b"), ("a", "b")]


def test_bucket_uri_with_namespace_becomes_uname() -> None:
    entry = load('{"in":[{"objname":"a","bucket":"ais://#ml/b"}]}').entries[0]
    assert entry.uname == "ais/@#ml/b/"


def test_jsonc_comments_keep_the_places_of_errors(tmp_path: Path) -> None:
    spec = load_file(tmp_path, "s.jsonc", '{ // "in": 1\n "in": [{"objname": "a//b"} /* , x */]}')
    assert spec.entries == [Entry("a//b")]
    with pytest.raises(CommandError, match=r'"bad.jsonc": line 3, column 5: '):
        load_file(tmp_path, "bad.jsonc", "{ // one\n /* two\n */ in")


def test_byte_order_mark_and_case_of_extension(tmp_path: Path) -> None:
    (tmp_path / "S.JSON").write_bytes(b'\xef\xbb\xbf{"in":["a"]}')
    assert load(str(tmp_path / "S.JSON")).entries == [Entry("a")]


@pytest.mark.parametrize("text", ["", "  \n", "# nothing\n", "null"])
def test_empty_specs_ask_for_nothing(tmp_path: Path, text: str) -> None:
    assert load_file(tmp_path, "s.yaml", text) == Spec([])


def test_opaque_is_decoded() -> None:
    assert load('{"in":[{"objname":"a","opaque":"aGVsbG8="}]}').entries[0].opaque == b"hello"


def test_unknown_entry_keys_are_named_once() -> None:
    spec = load('{"in":[{"objname":"a","foo":1},{"objname":"b","foo":2}]}')
    assert [e.objname for e in spec.entries] == ["a", "b"]
    assert len(spec.warnings) == 1 and '"foo"' in spec.warnings[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"in":[], "foo":1}', 'unknown field "foo"'),
        ("{in: [], foo: 1}", 'unknown field "foo"'),
        ('{"strm":true,"streaming_get":true}', 'duplicate key: "strm" and "streaming_get"'),
        ('{"strm":true,"strm":true}', 'duplicate key: "strm"'),
        ("{strm: true, strm: false}", 'duplicate key: "strm"'),
        ('{"in":[{"objname":"a","name":"b"}]}', 'entry 0: duplicate key: "objname" and "name"'),
        ('[{"objname":"a"}]', "expected an object"),
        ("- objname: x", "expected an object"),
        ("{ in: [...], streaming_get: true }", "entry 0: expected a mapping"),
        ('{"in":[{"objname":"a"}, 5]}', 'entry 1: expected a mapping with "objname", found 5'),
        ('{"in":{"objname":"a"}}', '"in": expected a list of entries, found a mapping'),
        ('{"in":[{"bucket":"b"}]}', 'entry 0: invalid object name ""'),
        ('{"in":[{"objname":"a/../b"}]}', 'invalid object name "a/../b"'),
        ('{"in":[{"objname":"a","archpath":"../x"}]}', "invalid archpath"),
        ('{"in":[{"objname":"a","start":10,"length":0}]}', "not satisfiable range [start=10,length=0 (oname: "),
        ('{"in":[{"objname":"a","start":-1,"length":1}]}', "not satisfiable range"),
        ('{"in":[{"objname":"a","start":1.5}]}', 'entry 0: "start": expected a whole number, found 1.5'),
        ('{"in":[{"objname":5}]}', 'entry 0: "objname": expected text, found 5'),
        ('{"in":[{"objname":"a","opaque":"***"}]}', 'entry 0: "opaque"'),
        ('{"in":[{"objname":"a","provider":"foo","bucket":"b"}]}', 'invalid backend provider "foo"'),
        ('{"in":[{"objname":"a","uname":"ais/@#/b/x"}]}', "not expecting object name"),
        ('{"in":[{"objname":"a","bucket":"ais://b/x"}]}', "not expecting an object name"),
        ('{"strm":"maybe"}', '"strm": expected true or false, found "maybe"'),
        ('{"coloc":3}', '"coloc": expected 0, 1 or 2, found 3'),
        ("{? [a] : 1}", "expected a word as key"),
    ],
)
def test_mistakes_are_named(text: str, message: str) -> None:
    with pytest.raises(CommandError) as caught:
        load(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("s.json", '{"in": [}\n', "line 1, column 9"),
        ("s.json", '{"in": ["a"]}\ngarbage\n', "line 2, column 1"),
        ("s.yaml", "in: [\n  - x\n :::\n", "line 2"),
        ("s.yaml", "in: []\n---\nin: []\n", "line 2"),
        ("s", "in:\n\t- x\n", "line 2"),
        ("s.yaml", "in: \x07\n", "line 1, column 5"),
        ("s.yaml", "in: *nobody\n", "line 1, column 5"),
    ],
)
def test_syntax_errors_say_where(tmp_path: Path, name: str, text: str, place: str) -> None:
    with pytest.raises(CommandError, match=f"failed to parse '--spec' \"{name}\": {place}"):
        load_file(tmp_path, name, text)


def test_bytes_that_are_no_utf8_say_where(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_bytes(b"in:\n- \xff\n")
    with pytest.raises(CommandError, match="line 2, column 3: not valid UTF-8"):
        load(str(tmp_path / "s.yaml"))


@pytest.mark.parametrize("text", ["[" * 100_000, "{in: " * 100_000, "- " * 100_000])
def test_deep_nesting_is_an_error_and_no_crash(text: str) -> None:
    with pytest.raises(CommandError):
        load(text)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"open .*nofile\.json: no such file or directory"):
        load(str(tmp_path / "nofile.json"))


def test_size_is_bounded() -> None:
    with pytest.raises(CommandError, match="spec file too big \\(max 64MiB\\)"):
        load("-", b" " * (SPEC_BYTES_MAX + 1))


def test_thirty_thousand_entries_are_read_within_two_seconds(tmp_path: Path) -> None:
    text = json.dumps({"in": [{"objname": f"a{i}.wav", "bucket": "my-bck"} for i in range(30_000)]})
    started = time.perf_counter()
    assert len(load_file(tmp_path, "big.json", text).entries) == 30_000
    assert time.perf_counter() - started < 2
