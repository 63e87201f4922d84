import pytest
from hypothesis import given
from hypothesis import strategies as st

from moss.sdk.errors import ConnectionLost
from moss.sdk.transport.http1 import ChunkedDecoder, Headers, Origin, build_head, parse_head, split_url


def chunked(parts: list[bytes], trailer: bytes = b"") -> bytes:
    return b"".join(b"%x;ext=1\r\n%b\r\n" % (len(p), p) for p in parts if p) + b"0\r\n" + trailer + b"\r\n"


def decode(data: bytes, sizes: list[int]) -> tuple[bytes, ChunkedDecoder]:
    decoder, out, at, i = ChunkedDecoder(), b"", 0, 0
    while at < len(data):
        piece = bytearray(data[at : at + sizes[i % len(sizes)]])
        at += len(piece)
        i += 1
        out += bytes(piece[: decoder.decode(memoryview(piece), len(piece))])
    return out, decoder


@given(st.lists(st.binary(max_size=300)), st.lists(st.integers(1, 97), min_size=1), st.booleans())
def test_framing_is_taken_out_wherever_the_pieces_are_cut(parts, sizes, has_trailer):
    out, decoder = decode(chunked(parts, b"X-T: 1\r\n" if has_trailer else b""), sizes)
    assert out == b"".join(parts)
    assert decoder.is_done and not decoder.has_excess


def test_bytes_behind_the_end_are_noticed():
    assert decode(chunked([b"x"]) + b"HTTP/1.1", [1000])[1].has_excess


@pytest.mark.parametrize("data", [b"zz\r\n", b"-1\r\n", b"\r\n", b"5\r\nhelloX\r\n", b"1_0\r\n", b"4" * 20_000])
def test_broken_framing_is_an_error(data):
    with pytest.raises(ConnectionLost):
        decode(data, [64])


@given(st.binary(max_size=200))
def test_garbage_never_does_worse_than_an_error(data):
    try:
        decode(data, [7])
    except ConnectionLost:
        pass


def test_heads():
    status, headers, keeps = parse_head(b'HTTP/1.1 206 Partial\r\nA: 1\r\na:2 \r\nETag: "x"')
    assert (status, headers["A"], headers.get("etag"), keeps) == (206, "1, 2", '"x"', True)
    assert not parse_head(b"HTTP/1.0 200 OK")[2]
    with pytest.raises(ConnectionLost):
        parse_head(b"SSH-2.0-x")
    assert build_head("GET", "/x", {"A": "b"}) == b"GET /x HTTP/1.1\r\nA: b\r\n\r\n"


@pytest.mark.parametrize("value", ["a\r\nEvil: 1", "a\nb", "a\0"])
def test_header_values_cannot_break_a_request(value):
    with pytest.raises(ValueError):
        build_head("GET", "/", {"Authorization": value})


def test_urls_are_split():
    assert split_url("http://h/x?y=1") == (Origin("http", "h", 80), "/x?y=1")
    assert split_url("https://[::1]:9")[0].netloc == "[::1]:9"
    for url in ("ftp://h", "/x", "http:///x"):
        with pytest.raises(ValueError):
            split_url(url)


def test_header_names_match_in_any_case():
    headers = Headers({"Content-Length": "1"})
    assert headers["content-length"] == "1" and "CONTENT-LENGTH" in headers and list(headers) == ["Content-Length"]
