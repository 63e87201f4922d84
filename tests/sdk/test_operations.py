import pytest

from moss.sdk import errors
from moss.sdk.namespace import Namespace
from moss.sdk.operations import Request, action, bucket_query, error_of, object_path


def document(message: str, tcode: str = "") -> bytes:
    import json

    return json.dumps({"tcode": tcode, "message": message, "status": 404}).encode()


@pytest.mark.parametrize(
    ("status", "method", "message", "tcode", "expected"),
    [
        (404, "GET", "t[x]: ais://b/o does not exist", "ErrNotFound", errors.ErrObjNotFound),
        (404, "GET", 'bucket "ais://b" does not exist', "", errors.ErrBckNotFound),
        (404, "GET", 'bucket "ais://b" does not exist', "ErrBckNotFound", errors.ErrBckNotFound),
        (404, "GET", 'aws bucket "aws://b" does not exist', "", errors.ErrRemoteBckNotFound),
        (404, "GET", 'remote bucket "ais://@uuid/b" does not exist', "", errors.ErrRemoteBckNotFound),
        (404, "GET", "ais://@uuid/b/o does not exist", "", errors.ErrObjNotFound),
        (404, "GET", 'etl job "x" does not exist', "", errors.ErrETLNotFound),
        (404, "GET", "nothing here", "", errors.AISError),
        (409, "GET", "ais://b/o is locked", "", errors.ErrGETConflict),
        (409, "POST", 'bucket "ais://b" already exists', "", errors.ErrBckAlreadyExists),
        (409, "POST", "etl job x exists", "", errors.ErrETLAlreadyExists),
        (400, "GET", "ais://b is bad", "", errors.AISError),
    ],
)
def test_errors_are_told_apart(status, method, message, tcode, expected):
    error = error_of(status, method, "http://h", document(message, tcode))
    assert type(error) is expected
    assert (error.message, error.status_code, error.tcode) == (message, status, tcode)


def test_a_missing_namespaced_bucket_is_not_taken_for_an_object():
    error = error_of(404, "GET", "u", document('bucket "ais://#ns/bck" does not exist', "ErrBckNotFound"))
    assert type(error) is errors.ErrBckNotFound


def test_errors_of_head_come_from_a_header():
    text = '{"tcode":"ErrBckNotFound","message":"bucket \\"ais://b\\" does not exist","status":404}'
    assert type(error_of(404, "HEAD", "u", b"", text)) is errors.ErrBckNotFound


def test_plain_text_is_a_message_too():
    assert error_of(502, "GET", "u", b"Bad Gateway\n").message == "Bad Gateway"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a b#c?d%e", "/objects/b/a%20b%23c%3Fd%25e"),
        ("a+b&c=d", "/objects/b/a%2Bb%26c%3Dd"),
        ("a//b", "/objects/b/a//b"),
        ("//y", "/objects/b///y"),
        ("t/", "/objects/b/t/"),
        ("é", "/objects/b/%C3%A9"),
        ("a..b/.c", "/objects/b/a..b/.c"),
    ],
)
def test_object_names_are_escaped(name, path):
    assert object_path("b", name) == path


@pytest.mark.parametrize("name", ["a/../b", "./x", "..", "a/."])
def test_names_that_http_stacks_rewrite_are_refused(name):
    with pytest.raises(ValueError, match="component"):
        object_path("b", name)


def test_actions_have_all_three_keys():
    assert action("create-bck") == b'{"action":"create-bck","name":"","value":null}'


def test_urls_are_put_together():
    query = bucket_query("ais", Namespace("u", "n"))
    assert Request("GET", "/x", query).url("http://h/v1") == "http://h/v1/x?provider=ais&namespace=%40u%23n"
    assert bucket_query("aws", Namespace()) == [("provider", "aws")]
