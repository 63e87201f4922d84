import pickle

import msgspec
import pytest

from moss.sdk.batch.plan import encode_request, member_names, remaining_entries
from moss.sdk.batch.types import MossIn, MossOut, MossReq, MossResp, decode_opaque, encode_opaque


def test_the_body_of_a_plain_batch_is_that_of_the_reference():
    entries = [MossIn(obj_name=name, bck="b", provider="ais") for name in ("a", "c")]
    request = MossReq(moss_in=entries, output_format=".tar", cont_on_err=True, only_obj_name=False, streaming_get=True)
    rows = '{"objname":"a","bucket":"b","provider":"ais"},{"objname":"c","bucket":"b","provider":"ais"}'
    options = '"mime":".tar","coer":true,"onob":false,"strm":true}'
    assert encode_request(request).decode() == '{"in":[' + rows + "]," + options
    assert request.dict() == msgspec.json.decode(encode_request(request))


def test_entries_take_both_kinds_of_names_and_are_frozen():
    entry = MossIn(objname="a", bucket="b", provider="ais", start=0)
    assert entry == MossIn(obj_name="a", bck="b", provider="ais", start=0)
    assert (entry.name, entry.bucket) == ("a", "b")
    assert entry.dict() == {"objname": "a", "bucket": "b", "provider": "ais", "start": 0}
    with pytest.raises(AttributeError):
        entry.bck = "c"
    with pytest.raises(TypeError):
        MossIn(bck="b")
    assert pickle.loads(pickle.dumps(entry)) == entry and len({entry, entry}) == 1


def test_entries_have_what_callers_of_pydantic_models_use():
    assert MossIn.model_fields["obj_name"].alias == "objname" and MossReq.model_fields["moss_in"].alias == "in"
    entry = MossIn.model_construct(obj_name="o", bck="b", provider="ais", start=0, length=5)
    dumped = entry.model_dump(by_alias=True, exclude_defaults=True)
    assert dumped == {"objname": "o", "bucket": "b", "provider": "ais", "start": 0, "length": 5}
    assert entry.model_dump()["archpath"] is None
    assert MossIn.model_validate({"objname": "x"}).obj_name == "x"


def test_requests_do_not_share_their_entries():
    MossReq().add(MossIn(obj_name="x"))
    assert MossReq().moss_in == []
    assert len(MossReq().extend([MossIn(obj_name="x")] * 2).moss_in) == 2


def test_results_read_the_entry_when_asked():
    out = MossOut.of_entry(MossIn("o", archpath="m", opaque="+/8A"), ("b", "aws"), 3)
    assert (out.obj_name, out.archpath, out.bucket, out.provider) == ("o", "m", "b", "aws")
    assert (out.opaque, out.size, out.err_msg) == (b"\xfb\xff\x00", 3, None)
    assert (out.name, out.bck, out.bucket_name, out.bucket_provider) == ("o", "b", "b", "aws")
    out.err_msg = "changed"
    assert pickle.loads(pickle.dumps(out)) == out
    with pytest.raises(AttributeError):
        _ = out.nonsense


def test_results_name_the_bucket_of_the_entry():
    assert MossOut.of_entry(MossIn("o", "own", "gcp"), ("b", "ais"), 0).provider == "gcp"
    out = MossOut.of_entry(MossIn("o", "own", "ais", "ais/@#ns/named/"), ("b", "ais"), 0)
    assert out.bucket == "named"


def test_results_can_be_made_by_hand():
    out = MossOut(objname="o", bucket="b", provider="ais", opaque="-_8A")
    assert out.opaque == b"\xfb\xff\x00" and out.dict() == {
        "objname": "o", "bucket": "b", "provider": "ais", "opaque": b"\xfb\xff\x00"
    }  # fmt: skip
    for fields in ({"objname": "o"}, {"objname": "o", "bucket": "b", "provider": "p", "x": 1}):
        with pytest.raises(ValueError):
            MossOut(**fields)


def test_metadata_are_decoded():
    text = b'{"uuid":"j","out":[{"objname":"o","bucket":"b","provider":"ais","err_msg":"gone","size":0,"new":1}]}'
    response = MossResp.model_validate_json(text)
    assert (response.uuid, response.out[0].err_msg, response.out[0].archpath) == ("j", "gone", None)
    assert MossResp.model_validate_json(b'{"uuid":"j","out":null}').out == []
    with pytest.raises(ValueError):
        MossResp.model_validate_json(b"[]")


@pytest.mark.parametrize("text", ["+/8A", "-_8A", "-_8A==", "+/8A="])
def test_opaque_of_both_alphabets(text):
    assert decode_opaque(text) == b"\xfb\xff\x00"
    assert encode_opaque(b"\xfb\xff\x00") == "+/8A"
    assert decode_opaque("*") is None and decode_opaque(None) is None


def test_member_names():
    entries = [
        MossIn("o"),
        MossIn("o", "c", "ais"),
        MossIn("s.tar", archpath="/m/x"),
        MossIn("o", "c", "ais", "ais/@u#n/named/"),
    ]
    assert member_names(entries, "b", only_obj_name=False) == ["b/o", "c/o", "b/s.tar/m/x", "named/o"]
    assert member_names(entries, "b", only_obj_name=True) == ["o", "o", "s.tar/m/x", "o"]


def test_the_rest_of_a_broken_batch():
    entries = [MossIn("a"), MossIn("b", start=10, length=100), MossIn("s.tar", archpath="m"), MossIn("c")]
    assert remaining_entries(entries, 0, 0, 0) == (entries, False)
    assert remaining_entries(entries, 0, 30, 100) == ([MossIn("a", start=30, length=70), *entries[1:]], True)
    assert remaining_entries(entries, 1, 30, 100)[0][0] == MossIn("b", start=40, length=70)
    assert remaining_entries(entries, 2, 30, 100) == (entries[2:], False)
