"""Our client and the official one against the same server: they agree where the reference is right."""

import random
from dataclasses import replace

import aistore.sdk
import pytest
from aistore.sdk.batch.types import MossIn as OfficialIn
from aistore.sdk.batch.types import MossReq as OfficialReq

from moss.sdk import Client
from moss.sdk.batch.errors import BatchIncompleteError
from tests.sdk.peer import Peer, build_tar


@pytest.fixture
def official(peer: Peer):
    return aistore.sdk.Client(peer.url)


def fill(client, options):
    batch = client.batch(bucket=client.bucket("b"), **options)
    batch.add("o1").add("gone").add("s.tar", archpath="m", opaque=b"\xfb\xff\x00")
    return batch.add("o1", start=1, length=3).add("o2", bck="c", provider="ais").add("o1")


@pytest.mark.parametrize("output_format", [".tar", ".tgz", ".zip"])
@pytest.mark.parametrize("only_obj_name", [True, False])
@pytest.mark.parametrize("streaming", [True, False])
def test_requests_and_results_agree(client: Client, official, peer: Peer, streaming, only_obj_name, output_format):
    rng = random.Random(1)
    peer.objects = {name: rng.randbytes(3000) for name in ("b/o1", "b/s.tar/m", "c/o2")}
    options = {"output_format": output_format, "only_obj_name": only_obj_name, "streaming_get": streaming}
    ours = [(out, bytes(data)) for out, data in fill(client, options).get()]
    theirs = list(fill(official, options).get())
    assert peer.received[0].json == peer.received[1].json
    assert peer.received[0].path == peer.received[1].path and peer.received[0].query == peer.received[1].query
    assert [data for _, data in ours] == [data for _, data in theirs]
    for (mine, _), (other, _) in zip(ours, theirs, strict=True):
        assert mine.model_dump().keys() == other.model_dump().keys()
        for name in ("obj_name", "bucket", "provider", "archpath", "size", "opaque"):
            assert getattr(mine, name) == getattr(other, name), name
        assert (mine.err_msg is None) == (other.err_msg is None)


def test_models_agree():
    from moss.sdk.batch.types import MossIn, MossReq

    fields = {"obj_name": "o", "bck": "b", "provider": "ais", "start": 0, "length": 5}
    for ours, theirs in ((MossIn(**fields), OfficialIn(**fields)), (MossIn(objname="x"), OfficialIn(objname="x"))):
        assert ours.dict() == theirs.dict() and ours.model_dump() == theirs.model_dump()
    options = {"output_format": ".tar", "cont_on_err": True, "only_obj_name": False, "streaming_get": True}
    ours = MossReq(moss_in=[MossIn(**fields)], **options)
    assert ours.dict() == OfficialReq(moss_in=[OfficialIn(**fields)], **options).dict()
    assert list(MossReq.model_fields) == list(OfficialReq.model_fields)
    assert list(MossIn.model_fields) == list(OfficialIn.model_fields)


def test_btr_01_where_the_official_client_is_silent_ours_is_not(client: Client, official, peer: Peer):
    peer.objects = {"b/a": b"1", "b/c": b"2"}
    peer.faults = [lambda reply: replace(reply, body=build_tar([("b/a", b"1")]))] * 2
    assert len(list(official.batch(["a", "c"], official.bucket("b")).get())) == 1
    with pytest.raises(BatchIncompleteError):
        list(client.batch(["a", "c"], client.bucket("b")).get(resume=False))
