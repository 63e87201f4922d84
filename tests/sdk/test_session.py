"""Redirects, the token, retries, several gateways."""

import socket

import pytest

from moss.sdk import Client, RetryConfig
from moss.sdk.bodies import Body, UnrewindableBody
from moss.sdk.errors import AISError, ConnectFailed, ConnectionLost, ErrObjNotFound
from tests.sdk.peer import Peer, Reply, error_reply


@pytest.fixture
def target():
    target = Peer()
    yield target
    target.close()


def redirect_to(target: Peer, status: int = 307):
    def reply(request) -> Reply:
        separator = "&" if "?" in request.target else "?"
        return Reply(status, {"Location": f"{target.url}{request.target}{separator}pid=p&utm=1"}, b"<a>moved</a>")

    return reply


def authorization(peer: Peer) -> str | None:
    return peer.received[-1].headers.get("authorization")


def test_batches_follow_redirects_with_their_body(client: Client, peer: Peer, target: Peer):
    target.objects["b/a"] = b"1"
    peer.scripted = [redirect_to(target)]
    [(_, data)] = client.batch(["a"], client.bucket("b")).get()
    assert data == b"1"
    assert target.received[-1].body == peer.received[-1].body and target.received[-1].method == "GET"
    assert target.received[-1].query["pid"] == "p"


@pytest.mark.parametrize("status", [301, 307, 308])
def test_objects_follow_redirects(client: Client, peer: Peer, target: Peer, status):
    peer.scripted = [redirect_to(target, status)] * 3
    client.bucket("b").object("x y").put_content(b"content")
    assert target.objects == {"b/x y": b"content"}
    assert client.bucket("b").object("x y").get_reader().read_all() == b"content"
    client.bucket("b").object("x y").delete()
    assert target.objects == {}


def test_67_an_upload_that_is_redirected_is_sent_once(client: Client, peer: Peer, target: Peer, tmp_path):
    peer.before_body = redirect_to(target)
    content = bytes(range(256)) * 4000
    file = tmp_path / "f"
    file.write_bytes(content)
    for put in (
        lambda obj: obj.put_content(content),
        lambda obj: obj.put_file(file),
        lambda obj: obj.put_content(iter([content[:10], content[10:]])),
    ):
        put(client.bucket("b").object("o"))
        assert peer.received[-1].body == b""
        assert target.objects.pop("b/o") == content


def test_small_uploads_are_rewound_after_a_redirect(client: Client, peer: Peer, target: Peer, tmp_path):
    file = tmp_path / "f"
    file.write_bytes(b"small")
    peer.scripted = [redirect_to(target)] * 2
    client.bucket("b").object("o").put_file(file)
    assert target.objects == {"b/o": b"small"}


def test_bodies_that_cannot_be_read_again_are_not_sent_twice(client: Client, peer: Peer, target: Peer):
    peer.scripted = [redirect_to(target)]
    with pytest.raises(UnrewindableBody):
        client.bucket("b").object("o").put_content(iter([b"x"]))
    assert target.received == []


def test_bodies_that_fail_at_their_beginning_are_not_sent_again_as_empty_ones():
    def broken():
        raise OSError("the disk is broken")
        yield b""

    body = Body(broken())
    with pytest.raises(OSError, match="disk is broken"):
        next(body.source)
    with pytest.raises(UnrewindableBody):
        body.rewind()


def test_68_the_token_goes_to_nodes_of_the_cluster_only(peer: Peer, target: Peer, patient):
    target.objects["b/o"] = b"1"
    client = Client(peer.url, token="secret", retry_config=patient)
    peer.scripted = [redirect_to(target)]
    assert client.bucket("b").object("o").get_reader().read_all() == b"1"
    assert authorization(peer) == "Bearer secret" and authorization(target) is None

    client = Client(peer.url, token="secret", retry_config=patient)
    peer.smap_urls = [target.url]
    peer.scripted = [redirect_to(target)]
    assert client.bucket("b").object("o").get_reader().read_all() == b"1"
    assert authorization(target) == "Bearer secret"
    assert peer.paths() == ["/v1/objects/b/o", "/v1/daemon"] * 2


def test_without_a_token_nothing_is_sent_or_asked(client: Client, peer: Peer, target: Peer):
    target.objects["b/o"] = b"1"
    peer.scripted = [redirect_to(target)]
    client.bucket("b").object("o").get_reader().read_all()
    assert authorization(peer) is None and peer.paths() == ["/v1/objects/b/o"]


def test_redirects_do_not_go_on_for_ever(client: Client, peer: Peer):
    peer.scripted = [redirect_to(peer)] * 100
    with pytest.raises(ConnectFailed, match="redirects"):
        client.bucket("b").object("o").get_reader().read_all()
    assert len(peer.received) < 30


def test_direct_reads_go_to_the_owner(client: Client, peer: Peer, target: Peer):
    target.objects["b/o"] = b"1"
    peer.smap_urls = [target.url]
    assert client.bucket("b").object("o").get_reader(direct=True).read_all() == b"1"
    assert peer.paths() == ["/v1/daemon"] and target.paths() == ["/v1/objects/b/o"]


def test_an_unreachable_gateway_is_replaced_by_the_next(peer: Peer, patient):
    with socket.create_server(("127.0.0.1", 0)) as server:
        dead = f"http://127.0.0.1:{server.getsockname()[1]}"
    peer.objects["b/o"] = b"1"
    client = Client([dead, peer.url], retry_config=patient)
    assert client.bucket("b").object("o").get_reader().read_all() == b"1"


def test_100_what_may_have_arrived_is_not_repeated(client: Client, peer: Peer):
    peer.scripted = [Reply(cut_at=0, content_length=10)] * 2
    peer.objects["b/o"] = b"1"
    cut = [lambda request: (_ for _ in ()).throw(OSError())] * 2  # The connection closes without an answer.
    peer.scripted = list(cut)
    assert client.bucket("b").object("o").get_reader().read_all() == b"1"
    assert len(peer.received) == 3
    peer.scripted = list(cut)
    with pytest.raises(ConnectionLost):
        client.bucket("b").create()
    with pytest.raises(ConnectionLost):
        client.bucket("b").object("o").get_writer().append_content(b"x")
    assert len(peer.received) == 5


def test_99_posts_are_not_repeated_after_an_error(client: Client, peer: Peer):
    peer.scripted = [error_reply(503, "busy")]
    with pytest.raises(AISError, match="busy"):
        client.bucket("b").create()
    assert len(peer.received) == 1


def test_a_final_error_after_a_temporary_one_keeps_its_class(client: Client, peer: Peer):
    peer.scripted = [error_reply(503, "busy")]
    with pytest.raises(ErrObjNotFound):
        client.bucket("b").object("gone").get_reader().read_all()


def test_retries_end_at_the_deadline(peer: Peer):
    client = Client(peer.url, retry_config=RetryConfig(deadline_s=0.0))
    peer.scripted = [error_reply(503, "busy", Retry_After="5")] * 2
    with pytest.raises(AISError, match="busy"):
        client.bucket("b").object("o").get_reader().read_all()
    assert len(peer.received) == 1


def test_requests_can_be_sent_by_hand(client: Client, peer: Peer):
    peer.objects["b/o"] = b"1"
    answer = client.request_client.request("GET", "objects/b/o", params={"provider": "ais"})
    assert (answer.content, answer.status_code, answer.ok) == (b"1", 200, True)
    client.request_client.request("PUT", "/objects/b/p", json={"x": 1})
    assert peer.objects["b/p"] == b'{"x":1}'
