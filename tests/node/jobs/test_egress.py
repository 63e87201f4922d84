"""Which hosts downloads may come from."""

import pytest

from moss.errors import InvalidRequest
from moss.node.jobs.egress import EgressDenied, EgressPolicy


@pytest.mark.parametrize(
    ("entries", "url"),
    [
        (["example.org"], "http://example.org/a"),
        (["Example.ORG."], "https://EXAMPLE.org:8443/a"),
        (["*.example.org"], "http://data.eu.example.org/"),
        (["*"], "http://anything.test/"),
        (["*"], "http://93.184.216.34/"),
        (["127.0.0.1"], "http://127.0.0.1:9000/a"),
        (["10.0.0.0/8"], "http://10.1.2.3/a"),
        (["[::1]"], "http://[::1]:80/a"),
    ],
)
def test_listed_hosts_are_allowed(entries: list[str], url: str):
    EgressPolicy.parse(entries).check_url(url)


@pytest.mark.parametrize(
    ("entries", "url"),
    [
        ([], "http://example.org/a"),
        (["example.org"], "http://evil-example.org/"),
        (["example.org"], "http://example.org.evil.test/"),
        (["*.example.org"], "http://example.org/"),
        (["*"], "http://127.0.0.1:9/none"),
        (["*"], "http://169.254.169.254/latest/meta-data"),
        (["*"], "http://[::ffff:127.0.0.1]/"),
        (["*"], "http://[64:ff9b::7f00:1]/"),
        (["*"], "http://0.0.0.0/"),
        (["*"], "http://224.0.0.1/"),
        (["10.0.0.0/8"], "http://11.0.0.1/"),
    ],
)
def test_others_are_refused(entries: list[str], url: str):
    with pytest.raises(EgressDenied):
        EgressPolicy.parse(entries).check_url(url)


@pytest.mark.parametrize(
    "url", ["ftp://h/a", "file:///etc/passwd", "http://", "/a", "", "http://u:p@h/", "http://[::1/"]
)
def test_links_that_are_no_http_urls_are_refused(url: str):
    with pytest.raises(InvalidRequest):
        EgressPolicy.parse(["*", "h"]).check_url(url)


def test_an_allowed_name_must_not_lead_to_a_private_address():
    policy = EgressPolicy.parse(["example.org"])
    policy.check_address("93.184.216.34")
    for address in ("127.0.0.1", "10.0.0.1", "::1", "fe80::1%eth0", "fd00::1", "::ffff:192.168.0.1"):
        with pytest.raises(EgressDenied):
            policy.check_address(address)
        policy.check_address(address, allows_private=True)
    EgressPolicy.parse(["example.org", "10.0.0.0/8"]).check_address("10.0.0.1")


@pytest.mark.parametrize("entry", ["a b", "http://h", "h/", "*.*.h", "a..b", "-", "1.2.3.4/99", "\x00"])
def test_entries_that_are_none_are_refused(entry: str):
    with pytest.raises(InvalidRequest, match="invalid download host"):
        EgressPolicy.parse([entry])
