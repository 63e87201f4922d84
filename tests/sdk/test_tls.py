"""The same over TLS. The certificate, of 127.0.0.1 and signed by itself, serves these tests only."""

import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from moss.sdk import Client, aio
from moss.sdk.errors import ConnectFailed
from tests.sdk.peer import Peer
from tests.sdk.test_session import redirect_to

FOLDER = Path(__file__).with_name("tls")
CERTIFICATE = str(FOLDER / "certificate.pem")
CONTENT = bytes(range(256)) * 4000


class TlsPeer(Peer):
    """A peer that speaks TLS."""

    @property
    def url(self) -> str:
        return super().url.replace("http://", "https://")

    def _serve(self, sock: socket.socket, number: int) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE, FOLDER / "key.pem")
        try:
            sock = context.wrap_socket(sock, server_side=True)
        except (ssl.SSLError, OSError):  # The client did not trust it.
            sock.close()
            return
        super()._serve(sock, number)


@pytest.fixture
def pair():
    gateway, target = TlsPeer(), TlsPeer()
    yield gateway, target
    gateway.close()
    target.close()


def test_67_a_redirected_upload_is_sent_once_over_tls(pair, patient):
    gateway, target = pair
    gateway.smap_urls = [target.url]
    gateway.before_body = redirect_to(target)
    with Client(gateway.url, ca_cert=CERTIFICATE, retry_config=patient, token="t") as client:
        obj = client.bucket("b").object("o")
        for body in (CONTENT, iter([CONTENT[:10], CONTENT[10:]])):
            obj.put_content(body)
            sent = [r.body for r in gateway.received if r.method == "PUT"]
            assert sent[-1] == b"" and target.objects.pop("b/o") == CONTENT
    assert {r.headers["authorization"] for r in target.received} == {"Bearer t"}


def test_reading_over_tls(pair, patient):
    _, target = pair
    target.objects["b/o"] = CONTENT
    with Client(target.url, ca_cert=CERTIFICATE, retry_config=patient) as client:
        obj = client.bucket("b").object("o")
        assert obj.get_reader().read_all() == CONTENT and list(obj.get_reader(byte_range="bytes=1-2").read_all()) == [
            1,
            2,
        ]
        assert obj.get_reader(num_workers=3, chunk_size=100_000).read_all() == CONTENT
        with obj.get_reader().as_file() as file:
            assert file.read() == CONTENT
        assert [data for _, data in client.batch(["o"], client.bucket("b")).get()] == [CONTENT]

    async def read() -> bytes:
        async with aio.Client(target.url, ca_cert=CERTIFICATE, retry_config=patient) as client:
            return await (await client.bucket("b").object("o").get_reader()).read_all()

    assert asyncio.run(asyncio.wait_for(read(), 30)) == CONTENT


def test_certificates_are_verified_unless_that_is_switched_off(pair, patient):
    _, target = pair
    target.objects["b/o"] = b"x"
    with Client(target.url, retry_config=patient) as client, pytest.raises(ConnectFailed, match="certificate"):
        client.bucket("b").object("o").get()
    with pytest.warns(UserWarning):
        client = Client(target.url, skip_verify=True, retry_config=patient)
    assert client.bucket("b").object("o").get_reader().read_all() == b"x"
    client.close()
