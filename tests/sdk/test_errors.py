import copy
import pickle

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


def test_api_errors_survive_pickling():
    error = errors.ErrObjNotFound(404, "ais://b/o does not exist", "u", object(), tcode="ErrNotFound")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is errors.ErrObjNotFound
    assert str(again) == str(error) and again.tcode == "ErrNotFound"
