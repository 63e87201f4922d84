"""Reading objects that the cluster still fetches from their cloud."""

import socket

import pytest

from moss.sdk import Client, ColdGetConf, RetryConfig
from moss.sdk._sync.locks import cold_waits_s
from moss.sdk.errors import ReadTimedOut
from moss.sdk.retry_config import HttpRetry, NetworkRetry
from tests.sdk.peer import Peer, Received, Reply, error_reply


class SlowPeer(Peer):
    """Is silent on the first GETs of objects until its peer gives up."""

    silent = 1

    def _write(self, sock: socket.socket, request: Received, reply: Reply) -> bool:
        if request.method == "GET" and request.path.startswith("/v1/objects/") and self.silent:
            self.silent -= 1
            return sock.recv(1) != b""
        return super()._write(sock, request, reply)


@pytest.fixture
def slow():
    slow = SlowPeer()
    slow.objects["b/o"] = b"content"
    yield slow
    slow.close()


def connect(peer: Peer, **options) -> Client:
    network = NetworkRetry(attempts=2, wait_s_min=0.0, wait_s_max=0.0)
    return Client(peer.url, timeout=(1, 0.1), retry_config=RetryConfig(HttpRetry(), network, ColdGetConf(**options)))


LOCKED = error_reply(423, "object is locked")


@pytest.mark.parametrize(("remote", "presence"), [(True, "0"), (False, "2")])
def test_101_a_locked_object_is_waited_for(slow: SlowPeer, remote: bool, presence: str):
    slow.scripted = [slow.handle, LOCKED, slow.handle, LOCKED, Reply(), slow.handle]
    client = connect(slow, max_cold_wait=0.08, enable_remote_head=remote)
    assert client.bucket("b", "aws").object("o").get_reader().read_all() == b"content"
    assert [r.method for r in slow.received] == ["GET", "POST", "HEAD", "POST", "POST", "GET"]
    check, head = slow.received[1], slow.received[2]
    assert check.json == {"action": "check-lock", "name": "", "value": None} and check.query == {"provider": "aws"}
    assert head.query == {"provider": "aws", "presence": presence, "props": "size"}


def test_101_what_is_not_locked_is_asked_for_again_at_once(slow: SlowPeer):
    slow.scripted = [slow.handle, Reply(), slow.handle]
    assert connect(slow).bucket("b", "aws").object("o").get_reader().read_all() == b"content"
    assert [r.method for r in slow.received] == ["GET", "POST", "GET"]


def test_101_a_lock_that_stays_does_not_hold_the_caller_for_ever(slow: SlowPeer):
    slow.silent = 2
    slow.scripted = [slow.handle, LOCKED, slow.handle, *[LOCKED] * 8]
    with pytest.raises(ReadTimedOut):
        connect(slow, max_cold_wait=0.02).bucket("b", "aws").object("o").get_reader().read_all()


def test_101_buckets_of_the_cluster_itself_are_not_asked_about_locks(slow: SlowPeer):
    assert connect(slow).bucket("b").object("o").get_reader().read_all() == b"content"
    assert [r.method for r in slow.received] == ["GET", "GET"]


def test_the_waits_follow_the_size():
    config = ColdGetConf(est_bandwidth_bps=1_000_000, max_cold_wait=100)
    assert list(cold_waits_s(0, config))[:2] == [2.0, 2.0]
    assert list(cold_waits_s(20_000_000, config)) == [5.0, 10.0, 20.0, 40.0, 25.0]
    assert sum(cold_waits_s(10**9, config)) == 100
