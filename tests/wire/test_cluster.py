"""The cluster map, and placement to the test vectors of spec/rest-control.md 4.3."""

import json

import msgspec
import pytest

from moss.errors import MalformedAnswer, NotFound
from moss.wire.cluster import ClusterMap, NodeFlag, NodeInfo, build_cluster_map, decode_cluster_map, node_digest


def _map(*targets: str, flags: int = 0) -> ClusterMap:
    return build_cluster_map(
        [NodeInfo.build("pAbCdEfGh", "proxy", "http://10.1.0.10:51080", flags=NodeFlag.IC_MEMBER)],
        [NodeInfo.build(name, "target", f"http://{name}:51081/", flags=flags) for name in targets],
        primary_id="pAbCdEfGh",
        uuid="b3kXc9Qfa",
        created="2026-03-04T05:06:07Z",
        version=17,
    )


def test_the_map_of_a_node_with_two_faces() -> None:
    text = msgspec.json.encode(_map("tOneAAAA1"))
    document = json.loads(text)
    assert list(document) == ["pmap", "proxy_si", "tmap", "uuid", "creation_time", "version"]
    assert document["version"] == "17"
    assert document["proxy_si"] == document["pmap"]["pAbCdEfGh"]
    net = {"node_ip_addr": "10.1.0.10", "daemon_port": "51080", "direct_url": "http://10.1.0.10:51080"}
    assert document["proxy_si"] == {
        "public_net": net,
        "intra_data_net": net,
        "intra_control_net": net,
        "daemon_type": "proxy",
        "daemon_id": "pAbCdEfGh",
        "flags": 2,
        "id_digest": 12311718358718836969,
    }
    assert b'"id_digest":13420284770309678949' in text
    assert decode_cluster_map(text) == _map("tOneAAAA1")
    assert decode_cluster_map(text).tmap["tOneAAAA1"].url == "http://tOneAAAA1:51081"


def test_digests_of_ids() -> None:
    assert node_digest("pAbCdEfGh") == 12311718358718836969
    assert node_digest("tTwoBBBB2") == 5644431904405710680
    assert node_digest("tTriCCCC3") == 7341406146015422011


@pytest.mark.parametrize(
    ("uname", "of_two", "of_three"),
    [
        ("ais/@#/mybck/obj-000001", "tOneAAAA1", "tOneAAAA1"),
        ("ais/@#/mybck/a/b/c.txt", "tTwoBBBB2", "tTriCCCC3"),
        ("aws/@#/imagenet/train/n01440764.tar", "tTwoBBBB2", "tTwoBBBB2"),
        ("ais/@uuid#ns/b/o", "tTwoBBBB2", "tTriCCCC3"),
    ],
)
def test_the_owner_of_an_object(uname: str, of_two: str, of_three: str) -> None:
    assert _map("tOneAAAA1", "tTwoBBBB2").owner_of(uname).daemon_id == of_two
    assert _map("tOneAAAA1", "tTwoBBBB2", "tTriCCCC3").owner_of(uname).daemon_id == of_three


def test_the_official_client_computes_the_same_owner() -> None:
    types = pytest.importorskip("aistore.sdk.types")
    from aistore.sdk.utils import get_digest, xoshiro256_hash

    whole = _map("tOneAAAA1", "tTwoBBBB2", "tTriCCCC3")
    smap = types.Smap.model_validate_json(msgspec.json.encode(whole))
    for i in range(200):
        uname = f"ais/@#/b/obj-{i}"
        digest = get_digest(uname)
        official = max(smap.tmap.values(), key=lambda node: xoshiro256_hash(node.id_digest ^ digest))
        assert whole.owner_of(uname).daemon_id == official.daemon_id


def test_targets_that_leave_own_nothing() -> None:
    with pytest.raises(NotFound) as caught:
        _map("tOneAAAA1", flags=NodeFlag.MAINTENANCE).owner_of("ais/@#/b/o")
    assert caught.value.message == (
        "no storage targets in the cluster (1 targets in maintenance mode or being decommissioned)"
    )
    with pytest.raises(NotFound):
        _map().owner_of("ais/@#/b/o")


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b'{"pmap":{},"tmap":{},"proxy_si":null}'])
def test_what_is_no_map_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        decode_cluster_map(body)
