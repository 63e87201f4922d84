"""HTTP for the SDK: `http1` is pure, `blocking` (sockets) and `aio` (aiohttp) are twins with the same names."""
