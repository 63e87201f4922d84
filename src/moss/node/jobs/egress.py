"""Which hosts a node may fetch from: the allow list, and the addresses that even allowed names must not lead to. Pure.

A download, a bucket of a web server (`ht://`), a remote cluster or a bucket's own endpoint makes the node ask whom its
clients name. Without a list of hosts it asks nobody; with one, a name on the
list that leads to a loopback, private, link-local or otherwise special address is refused all the same, unless the
list holds that address or network, or the cluster's feature flag `Dload-Allow-Private-Egress` is set.

Source: spec/reliability.md 6 (SSRF), spec/rest-control.md 7.5, 12.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from moss.errors import AccessDenied, InvalidRequest
from moss.units import quote

__all__ = ["PRIVATE_EGRESS_BIT", "EgressDenied", "EgressPolicy"]

_ALLOWED = "that this node may fetch from (moss serve --download-hosts)"
# Bit of the configuration key `features`: `Dload-Allow-Private-Egress`.
PRIVATE_EGRESS_BIT = 26

_HOST = re.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?\Z|\*\Z")
# Addresses that carry another one inside: what they lead to is not seen from outside.
_TUNNELS = tuple(ipaddress.ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class EgressDenied(AccessDenied):
    """A link that the node does not follow."""

    code = "egress-denied"


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """The allow list.

    Attributes:
        names: host names, lower case; `*.example.org` means all names below it, `*` all names and public addresses.
        networks: addresses and networks; private ones count as allowed because they were named.
    """

    names: tuple[str, ...] = ()
    networks: tuple[_Network, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.names or self.networks)

    @classmethod
    def parse(cls, entries: Iterable[str]) -> "EgressPolicy":
        """Read the entries of an allow list: names, `*.name`, addresses, networks in CIDR notation, or `*`.

        Raises:
            InvalidRequest: an entry is none of these.
        """
        names: list[str] = []
        networks: list[_Network] = []
        for entry in (text.strip().lower().rstrip(".") for text in entries):
            if not entry:
                continue
            try:
                networks.append(ipaddress.ip_network(entry.strip("[]"), strict=False))
            except ValueError:
                if not _HOST.match(entry) or ".." in entry:
                    text = "expecting a host name, *.domain, an address, a network, or *"
                    raise InvalidRequest(f"invalid download host {quote(entry)} ({text})") from None
                names.append(entry)
        return cls(tuple(names), tuple(networks))

    def check_url(self, url: str, *, allows_private: bool = False) -> None:
        """Refuse a link that is no HTTP URL, or whose host is not on the list.

        Raises:
            InvalidRequest: not an absolute `http` or `https` URL.
            EgressDenied: the host is not allowed.
        """
        host = host_of(url)
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            if not any(_covers(name, host) for name in self.names):
                raise EgressDenied(f"host {quote(host)} is not among those {_ALLOWED}") from None
        else:
            if not self._names_address(address) and "*" not in self.names:
                raise EgressDenied(f"address {host} is not among those {_ALLOWED}")
            self.check_address(host, allows_private=allows_private)

    def check_address(self, text: str, *, allows_private: bool = False) -> None:
        """Refuse an address that a host's name leads to.

        Raises:
            EgressDenied: it is private and neither named in the list nor allowed by the feature flag.
        """
        address = ipaddress.ip_address(text.partition("%")[0])
        if allows_private or self._names_address(address) or _is_public(address):
            return
        raise EgressDenied(f"private or loopback address {text} is not among those {_ALLOWED}")

    def _names_address(self, address: _Address) -> bool:
        mapped = getattr(address, "ipv4_mapped", None) or address
        return any(mapped in network for network in self.networks if network.version == mapped.version)


def host_of(url: str) -> str:
    """Return the host of an absolute HTTP URL, lower case.

    Raises:
        InvalidRequest: it is none, or names a user.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidRequest(f"invalid link {quote(url)}: {error}") from None
    if parts.username is not None or parts.password is not None:
        raise InvalidRequest("invalid link: user and password in a URL are not supported, use headers")
    if parts.scheme.lower() not in ("http", "https") or not host:
        raise InvalidRequest(f"invalid link {quote(url)}: expecting an absolute http or https URL")
    return host.rstrip(".")


def _covers(name: str, host: str) -> bool:
    if name == "*":
        return True
    return host.endswith(name[1:]) and len(host) > len(name) - 1 if name.startswith("*.") else host == name


def _is_public(address: _Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return _is_public(address.ipv4_mapped)
        if any(address in network for network in _TUNNELS):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved and not address.is_unspecified
