import warnings

import pytest

from moss.sdk.config import resolve_config


def resolve(endpoint="http://h:8080", environment=None, **options):
    return resolve_config(endpoint, environment=environment or {}, **options)


@pytest.mark.parametrize(
    ("endpoint", "base"),
    [
        ("http://h:8080", "http://h:8080/v1"),
        ("http://h:8080/", "http://h:8080/v1"),
        ("https://h/ais", "https://h/ais/v1"),
        ("http://h/v1", "http://h/v1"),
        ("http://[::1]:51080", "http://[::1]:51080/v1"),
    ],
)
def test_endpoints_become_base_urls_and_keep_their_path(endpoint, base):
    assert resolve(endpoint).bases == (base,)


@pytest.mark.parametrize("endpoint", ["h:8080", "ftp://h", "http://", ""])
def test_endpoints_that_are_no_urls_are_refused(endpoint):
    with pytest.raises(ValueError, match="endpoint"):
        resolve(endpoint)


def test_several_gateways_may_be_given():
    assert resolve(["http://a", "http://b"]).bases == ("http://a/v1", "http://b/v1")


def test_the_endpoint_comes_from_the_environment_then_the_default():
    assert resolve(None, {"AIS_ENDPOINT": "http://a"}).bases == ("http://a/v1",)
    assert resolve(None, {"AIS_ENDPOINT": "http://a", "MOSS_ENDPOINT": "http://m"}).bases == ("http://m/v1",)
    assert resolve(None).bases == ("http://127.0.0.1:51080/v1",)


@pytest.mark.parametrize(
    ("timeout", "environment", "expected"),
    [
        (None, {}, (3.0, 20.0)),
        (None, {"AIS_READ_TIMEOUT": "7"}, (3.0, 7.0)),
        (None, {"AIS_CONNECT_TIMEOUT": "0"}, (None, 20.0)),
        (None, {"AIS_READ_TIMEOUT": "7", "MOSS_READ_TIMEOUT": "8"}, (3.0, 8.0)),
        (0, {"AIS_READ_TIMEOUT": "7"}, (None, None)),
        ((0, 20), {}, (None, 20)),
        ((0, 0), {}, (None, None)),
        (5.5, {}, (5.5, 5.5)),
        ((1, None), {}, (1, None)),
    ],
)
def test_timeouts(timeout, environment, expected):
    settings = resolve(timeout=timeout, environment=environment).settings
    assert (settings.connect_timeout_s, settings.read_timeout_s) == expected


@pytest.mark.parametrize("timeout", [-1, (1, -1), (1, 2, 3)])
def test_impossible_timeouts_are_refused(timeout):
    with pytest.raises(ValueError):
        resolve(timeout=timeout)


def test_nonsense_in_the_environment_warns_and_counts_as_unset():
    with pytest.warns(UserWarning, match="AIS_MAX_CONN_POOL"):
        assert resolve(environment={"AIS_MAX_CONN_POOL": "many"}).settings.idle_connections_max == 10
    with pytest.warns(UserWarning, match="AIS_READ_TIMEOUT"):
        assert resolve(environment={"AIS_READ_TIMEOUT": "soon"}).settings.read_timeout_s == 20.0


def test_arguments_beat_the_environment():
    environment = {"AIS_MAX_CONN_POOL": "3", "AIS_AUTHN_TOKEN": "env", "AIS_CLIENT_CA": "/env.pem"}
    config = resolve(environment=environment, max_pool_size=5, token="mine", ca_cert="/mine.pem")
    assert (config.settings.idle_connections_max, config.token, config.settings.ca_cert) == (5, "mine", "/mine.pem")
    config = resolve(environment=environment)
    assert (config.settings.idle_connections_max, config.token, config.settings.ca_cert) == (3, "env", "/env.pem")


def test_verification_of_certificates():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert resolve().settings.verify
        assert not resolve(skip_verify=True).settings.verify
        assert not resolve(environment={"AIS_SKIP_VERIFY": "yes"}).settings.verify
        assert resolve(environment={"AIS_SKIP_VERIFY_CRT": "0", "AIS_SKIP_VERIFY": "1"}).settings.verify
    with pytest.warns(UserWarning, match="not verified"):
        resolve("https://h", skip_verify=True)


def test_client_certificates_need_both_variables():
    assert resolve(environment={"AIS_CRT": "c"}).settings.client_cert is None
    assert resolve(environment={"AIS_CRT": "c", "AIS_CRT_KEY": "k"}).settings.client_cert == ("c", "k")
    assert resolve(client_cert="pem", environment={"AIS_CRT": "c", "AIS_CRT_KEY": "k"}).settings.client_cert == "pem"
