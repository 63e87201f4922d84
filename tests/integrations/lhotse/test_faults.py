"""What the loader does when answers break off, are late, or are refused: checklist 120 of the contract of the SDK."""

import dataclasses
from collections.abc import Iterator

import pytest
from lhotse import CutSet

from moss.integrations.lhotse import AISBatchLoaderError, MossBatchLoader
from moss.sdk import Client, RetryConfig
from moss.sdk.retry_config import HttpRetry, NetworkRetry
from tests.integrations.lhotse.conftest import SPEECH, same_audio, stored_recording
from tests.sdk.peer import Peer, Reply, error_reply

NAMES = [f"digits/{number}.wav" for number in range(6)]


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    peer.objects = {f"b/{name}": (SPEECH / name).read_bytes() for name in NAMES}
    yield peer
    peer.close()


@pytest.fixture
def loader(peer: Peer) -> Iterator[MossBatchLoader]:
    patient = RetryConfig(HttpRetry(backoff_factor=0.0), NetworkRetry(attempts=2, wait_s_min=0.0, wait_s_max=0.0))
    with Client(peer.url, retry_config=patient, timeout=5) as client:
        yield MossBatchLoader(client=client)


@pytest.fixture
def cuts() -> CutSet:
    return CutSet.from_cuts(stored_recording(name, f"ais://b/{name}").to_cut() for name in NAMES)


def check(cuts: CutSet) -> None:
    assert all(same_audio(cut, name) for cut, name in zip(cuts, NAMES, strict=True))


def test_one_request_for_a_whole_minibatch(peer: Peer, loader: MossBatchLoader, cuts: CutSet):
    check(loader(cuts))
    (request,) = peer.received
    assert request.path == "/v1/ml/moss" and request.query == {"coloc": "1"}
    assert request.json["in"] == [{"objname": name, "bucket": "b", "provider": "ais"} for name in NAMES]
    options = {key: value for key, value in request.json.items() if key != "in"}
    assert options == {"mime": ".tar", "coer": True, "onob": False, "strm": True, "coloc": 1}


def test_the_connection_stays_open_between_minibatches(peer: Peer, loader: MossBatchLoader):
    for _ in range(5):
        loader(CutSet.from_cuts(stored_recording(name, f"ais://b/{name}").to_cut() for name in NAMES))
    assert peer.connections == 1


def test_namespaces_and_members_and_ranges_are_asked_for_by_name(peer: Peer, loader: MossBatchLoader):
    urls = ["ais://@Uuid1#space/b/digits/1.wav", "ais://b/s.tar/a/2.wav", "ais://b/r.tar?o=512&e=1024"]
    cuts = [stored_recording("digits/1.wav", url).to_cut().with_id(url) for url in urls]
    cuts[2].recording.sources[0].type = "shar_ptr"
    with pytest.raises(AISBatchLoaderError):
        loader(CutSet.from_cuts(cuts))
    uname = "ais/@Uuid1#space/b/"
    first, *others = peer.received[0].json["in"]
    assert first == {"objname": "digits/1.wav", "bucket": "b", "provider": "ais", "uname": uname}
    assert others == [
        {"objname": "s.tar", "bucket": "b", "provider": "ais", "archpath": "a/2.wav"},
        {"objname": "r.tar", "bucket": "b", "provider": "ais", "start": 512, "length": 512},
    ]


@pytest.mark.parametrize("cut_at", [0, 100, 5000, 12_000])
def test_120_a_truncated_answer_is_continued(peer: Peer, loader: MossBatchLoader, cuts: CutSet, cut_at: int):
    peer.chunk_bytes = 0
    peer.faults = [lambda reply: dataclasses.replace(reply, cut_at=cut_at)]
    check(loader(cuts))
    assert peer.paths("/v1/objects/") == []


def test_an_answer_that_breaks_off_every_time_leads_to_single_requests(
    peer: Peer, loader: MossBatchLoader, cuts: CutSet
):
    peer.chunk_bytes = 0
    peer.faults = [lambda reply: dataclasses.replace(reply, cut_at=700)] * 50
    check(loader(cuts))
    assert sorted(peer.paths("/v1/objects/")) == [f"/v1/objects/b/{name}" for name in NAMES]


def test_a_well_formed_but_short_archive_is_completed(peer: Peer, loader: MossBatchLoader, cuts: CutSet):
    make = peer.build_tar
    short = [True]

    def build(members: list) -> bytes:
        return make(members[:2] if short and short.pop() else members)

    peer.build_tar = build
    check(loader(cuts))


def test_120_a_missing_entry_is_asked_for_again_by_itself(peer: Peer, loader: MossBatchLoader, cuts: CutSet):
    data = peer.objects.pop("b/digits/2.wav")

    def late(reply: Reply) -> Reply:
        peer.objects["b/digits/2.wav"] = data
        return reply

    peer.faults = [late]
    check(loader(cuts))
    assert peer.paths("/v1/objects/") == ["/v1/objects/b/digits/2.wav"]


def test_120_a_server_that_is_busy_once(peer: Peer, loader: MossBatchLoader, cuts: CutSet):
    peer.scripted = [error_reply(503, "busy", Retry_After="0")]
    check(loader(cuts))
    assert len(peer.paths("/v1/ml/moss")) == 2


def test_120_a_server_that_refuses_batches_altogether(peer: Peer, loader: MossBatchLoader, cuts: CutSet):
    peer.faults = [lambda reply: error_reply(400, "no such call")]
    check(loader(cuts))
    assert len(peer.paths("/v1/ml/moss")) == 1
    assert len(peer.paths("/v1/objects/")) == len(NAMES)


def test_120_what_stays_missing_is_an_error_by_name(peer: Peer, loader: MossBatchLoader, cuts: CutSet):
    del peer.objects["b/digits/1.wav"], peer.objects["b/digits/4.wav"]
    with pytest.raises(AISBatchLoaderError) as caught:
        loader(cuts)
    assert list(caught.value.failures) == ["ais://b/digits/1.wav", "ais://b/digits/4.wav"]
    assert caught.value.cut_ids == ["digits/1.wav", "digits/4.wav"]
    assert "does not exist" in str(caught.value)


def test_no_server_at_all(cuts: CutSet):
    quick = RetryConfig(HttpRetry(backoff_factor=0.0), NetworkRetry(attempts=1, wait_s_min=0.0, wait_s_max=0.0))
    with Client("http://127.0.0.1:9", timeout=1, retry_config=quick) as client:
        for on_error in ("raise", "drop"):
            with pytest.raises(AISBatchLoaderError, match="6 pieces of data of 6 cuts"):
                MossBatchLoader(client=client, on_error=on_error)(cuts)
