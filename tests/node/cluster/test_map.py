"""The map of a node that is alone: both faces, each under its own id and address."""

from moss.node.cluster import build_embedded_map, gateway_entry, target_entry


def test_both_faces_stand_in_the_map():
    gateway = gateway_entry("pAbCdEfGh", "http://10.1.0.10:51080")
    target = target_entry("tOneAAAA1", "http://10.1.0.10:51081")
    found = build_embedded_map(gateway, target, uuid="b3kXc9Qfa", created_ns=1_700_000_000_000_000_000, version=7)
    assert (found.proxy_si, found.pmap, found.tmap) == (gateway, {"pAbCdEfGh": gateway}, {"tOneAAAA1": target})
    assert (found.version, found.uuid) == ("7", "b3kXc9Qfa")
    assert found.creation_time == "2023-11-14T22:13:20.000000000Z"
    # Source of the digests: spec/rest-control.md 4.3.
    assert (gateway.id_digest, target.id_digest) == (12311718358718836969, 13420284770309678949)
    assert (gateway.flags, target.flags) == (2, 0)
    assert found.owner_of("ais/@#/mybck/obj-000001") is target
