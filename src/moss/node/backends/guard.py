"""Keeps a node from asking hosts that it may not ask, whatever a URL, a redirect or a name server says.

Source: spec/reliability.md 6 (SSRF).
"""

import socket
from typing import Protocol

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

__all__ = ["Egress", "GuardedResolver"]


class Egress(Protocol):
    """Which hosts may be asked. Both calls raise AccessDenied, the first one InvalidRequest for what is no URL."""

    def check_url(self, url: str) -> None:
        """Refuse a URL: by its host's name, or by the address that it holds."""

    def check_address(self, text: str) -> None:
        """Refuse an address that a host's name leads to."""


class GuardedResolver(AbstractResolver):
    """Looks names up and lets no address through that is refused; connections go to what was looked up.

    Addresses in URLs never come here: `check_url` is for them.
    """

    def __init__(self, egress: Egress) -> None:
        self._egress = egress
        self._names: aiohttp.ThreadedResolver | None = None

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_UNSPEC) -> list[ResolveResult]:
        if self._names is None:  # can only be made where an event loop runs
            self._names = aiohttp.ThreadedResolver()
        found = await self._names.resolve(host, port, socket.AF_UNSPEC)
        for result in found:
            self._egress.check_address(result["host"])
        return found

    async def close(self) -> None:
        if self._names is not None:
            await self._names.close()
