import json

import pytest
from aistore.sdk.types import Smap as OfficialSmap

from moss.errors import MalformedAnswer
from moss.sdk.errors import InvalidBckProvider, NoTargetError
from moss.sdk.list_object_flag import ListObjectFlag
from moss.sdk.obj.object_props import ObjectProps
from moss.sdk.provider import Provider
from moss.sdk.types import BucketEntry, BucketList, BucketModel, decode_smap
from moss.sdk.utils import convert_to_seconds, extract_and_parse_url, get_digest, parse_bool, parse_url

DIGESTS = {"tOneAAAA1": 13420284770309678949, "tTwoBBBB2": 5644431904405710680, "tTriCCCC3": 7341406146015422011}


def smap(ids=tuple(DIGESTS), flags=0) -> bytes:
    def node(kind, name, digest):
        net = {"node_ip_addr": "10.0.0.1", "daemon_port": "51081", "direct_url": f"http://{name}:51081"}
        nets = dict.fromkeys(("public_net", "intra_data_net", "intra_control_net"), net)
        return {**nets, "daemon_type": kind, "daemon_id": name, "flags": flags, "id_digest": digest}

    gateway = node("proxy", "pAbCdEfGh", 1)
    targets = {name: node("target", name, DIGESTS[name]) for name in ids}
    value = {"pmap": {"pAbCdEfGh": gateway}, "proxy_si": gateway, "tmap": targets, "uuid": "u", "version": "17"}
    return json.dumps(value | {"creation_time": "t", "ext": {"x": 1}}).encode()


@pytest.mark.parametrize(
    ("uname", "owner"),
    [
        ("ais/@#/mybck/obj-000001", "tOneAAAA1"),
        ("ais/@#/mybck/a/b/c.txt", "tTriCCCC3"),
        ("aws/@#/imagenet/train/n01440764.tar", "tTwoBBBB2"),
        ("ais/@uuid#ns/b/o", "tTriCCCC3"),
    ],
)
def test_owners_are_those_of_the_recorded_vectors(uname, owner):
    assert decode_smap(smap()).get_target_for_object(uname).daemon_id == owner


def test_owners_agree_with_the_official_client():
    ours, theirs = decode_smap(smap()), OfficialSmap.model_validate_json(smap())
    for i in range(300):
        uname = f"ais/@#/b/object-{i}"
        assert ours.get_target_for_object(uname).daemon_id == theirs.get_target_for_object(uname).daemon_id


def test_nodes_in_maintenance_own_nothing():
    with pytest.raises(NoTargetError):
        decode_smap(smap(flags=4)).get_target_for_object("x")


def test_the_map_is_read_whole():
    decoded = decode_smap(smap())
    assert (decoded.version, decoded.uuid, len(decoded.urls())) == (17, "u", 4)
    with pytest.raises(MalformedAnswer):
        decode_smap(b"{}")


def test_digests():
    assert get_digest("tOneAAAA1") == DIGESTS["tOneAAAA1"]


def test_providers_are_text_and_know_their_aliases():
    assert Provider.parse("s3") == "aws" and Provider.parse("s3").value == "aws" and f"{Provider.AMAZON}" == "aws"
    assert Provider.parse("gs") is Provider.GOOGLE and not Provider.AIS.is_remote()
    for word in ("http", "AIS", "", "nope"):
        with pytest.raises(InvalidBckProvider):
            Provider.parse(word)


def test_props_are_attributes_and_header_fields_at_once():
    props = ObjectProps({"Content-Length": "12", "Ais-Version": "3", "Ais-Custom-Md": "a=1, b=x=y", "ETag": '"e"'})
    assert (props.size, props.obj_version, props.custom_metadata, props.etag) == (12, "3", {"a": "1", "b": "x=y"}, "e")
    assert props["ais-version"] == "3" and "AIS-VERSION" in props and dict(props)["Ais-Version"] == "3"
    assert ObjectProps(props).size == 12
    assert ObjectProps({"content-length": "many"}).size == 0
    assert ObjectProps().ec is None and ObjectProps().chunks is None and not ObjectProps().present


def test_listings_are_iterable():
    page = BucketList(entries=[BucketEntry("a", size=3, flags=64), BucketEntry("b", flags=1)])
    assert [entry.name for entry in page] == ["a", "b"] and len(page) == 2 and page.get_entries() is page.entries
    assert page.entries[0].is_cached() and page.entries[0].is_ok() and not page.entries[1].is_ok()
    assert page.entries[0].generate_object_props().size == 3


def test_bucket_models():
    assert BucketModel("b").get_path() == "ais/@#/b/" and BucketModel("b").as_dict() == {"name": "b", "provider": "ais"}


def test_flags_are_joined_to_a_mask():
    assert ListObjectFlag.join_flags([ListObjectFlag.CACHED, ListObjectFlag.ARCH_DIR]) == 9
    assert ListObjectFlag.ALL is ListObjectFlag.MISSING and ListObjectFlag.USE_CACHE is ListObjectFlag.NOT_CACHED


def test_urls():
    assert parse_url("ais://b/x/y.txt?q#f") == ("ais", "b", "x/y.txt")
    assert parse_url("s3://b//y%20z") == ("s3", "b", "y%20z")
    assert extract_and_parse_url('bucket "gs://b" x') == ("gs", "b", False)
    assert extract_and_parse_url("t: ais://b/o gone") == ("ais", "b", True)
    assert extract_and_parse_url("nothing") is None


def test_small_helpers():
    assert [convert_to_seconds(x) for x in ("5s", "2m", "1h", "1d", "7", 9)] == [5, 120, 3600, 86400, 7, 9]
    assert parse_bool("Yes") and not parse_bool("no") and not parse_bool(None)
    with pytest.raises(ValueError):
        convert_to_seconds("soon")
