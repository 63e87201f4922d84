import copy
import pickle

import aistore.sdk.errors
import pytest
import requests
import urllib3

from moss.errors import MossError
from moss.sdk import errors
from moss.sdk.errors import compatible


def test_the_text_of_an_api_error_is_that_of_the_reference():
    error = errors.AISError(404, "no", "http://h/v1/x", None)
    assert str(error) == "STATUS:404, MESSAGE:no, REQ_URL:http://h/v1/x"
    assert (error.status_code, error.message, error.req_url) == (404, "no", "http://h/v1/x")
    assert isinstance(error, MossError)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (errors.ConnectFailed, (requests.exceptions.ConnectionError,)),
        (errors.ConnectTimedOut, (requests.exceptions.ConnectTimeout, urllib3.exceptions.TimeoutError)),
        (errors.ReadTimedOut, (requests.exceptions.ReadTimeout, urllib3.exceptions.TimeoutError)),
        (
            errors.ConnectionLost,
            (
                requests.exceptions.ChunkedEncodingError,
                requests.exceptions.ConnectionError,
                urllib3.exceptions.ProtocolError,
            ),
        ),
    ],
)
def test_broken_connections_are_caught_by_clauses_written_for_other_libraries(ours, theirs):
    error = compatible(ours)("gone")
    assert isinstance(error, ours)
    assert all(isinstance(error, base) for base in theirs)
    assert str(error) == "gone"
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, theirs) and again.was_sent == error.was_sent


def test_exhausted_retries_are_both_ais_errors_and_retry_errors():
    error = compatible(errors.RetriesExhausted)(503, "busy", "u", "GET u", tcode="ErrBusy")
    assert isinstance(error, errors.AISError) and isinstance(error, requests.exceptions.RetryError)
    again = copy.copy(error)
    assert (again.status_code, again.message, again.tcode) == (503, "busy", "ErrBusy")


def test_without_those_libraries_the_classes_are_plain(monkeypatch):
    import sys

    monkeypatch.delitem(sys.modules, "requests.exceptions")
    monkeypatch.delitem(sys.modules, "urllib3.exceptions")
    assert compatible(errors.ReadTimedOut) is errors.ReadTimedOut


@pytest.mark.parametrize(
    "error",
    [
        errors.InvalidBckProvider("x"), errors.InvalidURLException("u"), errors.Timeout("a", message="m"),
        errors.InvalidObjectRangeIndex("m"), errors.JobInfoNotFound("m"), errors.NoTargetError(3),
        errors.UnexpectedHTTPStatusCode([202], 200), errors.ETLDirectPutTransientError("u", ValueError("c"), True),
        errors.InvalidPipelineError("p"),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_errors_of_the_sdk_survive_pickling_and_say_what_the_official_ones_say(error: Exception):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and str(again) == str(error)
    official = getattr(aistore.sdk.errors, type(error).__name__)
    if isinstance(error, errors.ETLDirectPutTransientError):
        assert again.url == "u" and str(again.cause) == "c" and again.bail_without_local_retry
    elif hasattr(error, "_arguments"):
        assert str(official(*error._arguments, **error._options)) == str(error)


def test_api_errors_survive_pickling():
    error = errors.ErrObjNotFound(404, "ais://b/o does not exist", "u", object(), tcode="ErrNotFound")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is errors.ErrObjNotFound
    assert str(again) == str(error) and again.tcode == "ErrNotFound"


def test_classes_that_are_twins_of_other_libraries_can_be_pickled():
    """A worker process hands the class of its error to the program, beside the error."""
    made = compatible(errors.ConnectionLost)
    assert made is not errors.ConnectionLost
    assert pickle.loads(pickle.dumps(made)) is made
    assert pickle.loads(pickle.dumps((made, errors.ConnectionLost))) == (made, errors.ConnectionLost)
