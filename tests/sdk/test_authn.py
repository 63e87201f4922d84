"""The client of the authentication server. What its calls send is compared with the official SDK in
`test_official_requests.py`."""

import asyncio

import pytest

from moss.errors import MalformedAnswer
from moss.sdk._async.authn import AuthNClient as AsyncAuthNClient
from moss.sdk.authn import AccessAttr, AuthNClient
from moss.sdk.authn.errors import AuthNError, ErrUserInvalidCredentials, ErrUserNotFound, authn_error
from moss.sdk.errors import AISError
from tests.sdk.peer import Peer, Reply, error_reply, json_reply
from tests.sdk.test_official_requests import CLUSTERS, ROLE, USER


@pytest.fixture
def authn(peer: Peer):
    with AuthNClient(peer.url) as client:
        yield client


def test_107_blank_passwords_and_life_times(authn: AuthNClient, peer: Peer):
    for password in ("", " \t"):
        with pytest.raises(ValueError):
            authn.login("admin", password)
    assert peer.received == []
    peer.scripted = [json_reply({"token": "t"})] * 2
    assert authn.login("admin", "pw", expires_in=1.5) == "t"
    assert peer.received[-1].json == {"password": "pw", "expires_in": 1_500_000_000}
    authn.login("admin", "pw", expires_in=0)
    assert peer.received[-1].json["expires_in"] == 0


def test_107_permissions_are_combined(authn: AuthNClient, peer: Peer):
    peer.scripted = [json_reply(CLUSTERS), Reply(), json_reply(ROLE)]
    perms = [AccessAttr.ACCESS_RO, AccessAttr.GET, AccessAttr.GET, AccessAttr.PUT]
    authn.role_manager().create("R", "d", "al", perms)
    assert peer.received[1].json["clusters"] == [{"id": "c1", "perm": str(771 | 4)}]
    assert not AccessAttr.ACCESS_RW & AccessAttr.PROMOTE


def test_the_token_goes_with_later_requests_until_logout(authn: AuthNClient, peer: Peer):
    peer.scripted = [json_reply({"token": "t1"}), json_reply({}), Reply(), json_reply({})]
    authn.login("admin", "pw")
    authn.user_manager().list()
    authn.logout()
    authn.user_manager().list()
    assert [r.headers.get("authorization") for r in peer.received] == [None, "Bearer t1", "Bearer t1", None]
    with pytest.raises(ValueError):
        authn.logout()


def test_clusters_are_asked_for_their_id_with_the_token(authn: AuthNClient, peer: Peer):
    cluster = Peer()
    try:
        peer.scripted = [json_reply({"token": "t1"}), Reply(), json_reply(CLUSTERS)]
        authn.login("admin", "pw")
        authn.cluster_manager().register("al", [cluster.url, "http://other"])
        assert cluster.received[0].headers["authorization"] == "Bearer t1"
        assert peer.received[1].json == {"id": "u", "alias": "al", "urls": [cluster.url, "http://other"]}
    finally:
        cluster.close()


@pytest.mark.parametrize(
    ("status", "message", "wanted"),
    [
        (401, "invalid credentials", "ErrUserInvalidCredentials"),
        (401, "not authorized: requires admin", "AuthNError"),
        (404, 'user "u" does not exist', "ErrUserNotFound"),
        (404, 'role "r" does not exist', "ErrRoleNotFound"),
        (404, "AuthN: cluster x does not exist", "ErrClusterNotFound"),
        (409, "AuthN: failed to add user u, err: role x", "ErrUserAlreadyExists"),
        (409, "role r of cluster c already exists", "ErrRoleAlreadyExists"),
        (409, "cluster u[u] already registered", "ErrClusterAlreadyRegistered"),
        (404, "nothing known", "AuthNError"),
        (403, "user u is built in", "AuthNError"),
    ],
)
def test_errors_by_status_and_words(status, message, wanted):
    error = authn_error(AISError(status, message, "http://u"))
    assert type(error).__name__ == wanted and error.status_code == status and error.message == message
    assert isinstance(error, AuthNError) and str(error).startswith(f"STATUS:{status}, MESSAGE:")


def test_answers_that_are_none(authn: AuthNClient, peer: Peer):
    peer.scripted = [Reply(body=b"<html>")]
    with pytest.raises(MalformedAnswer):
        authn.user_manager().get("u")


def test_the_asynchronous_twin(peer: Peer):
    async def main():
        async with AsyncAuthNClient(peer.url) as client:
            peer.scripted = [
                error_reply(401, "invalid credentials"),
                json_reply({"token": "t"}),
                json_reply({"u": USER}),
            ]
            with pytest.raises(ErrUserInvalidCredentials):
                await client.login("admin", "x")
            await client.login("admin", "pw")
            users = await client.user_manager().list()
            assert users["u"].roles[0].name == "R" and len(users) == 1
            peer.scripted = [error_reply(404, 'user "x" does not exist')] * 2
            await client.user_manager().delete("x", missing_ok=True)
            with pytest.raises(ErrUserNotFound):
                await client.user_manager().delete("x")

    asyncio.run(asyncio.wait_for(main(), 30))
