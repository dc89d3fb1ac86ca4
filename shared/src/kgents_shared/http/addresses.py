"""Which addresses outgoing calls may reach."""

import ipaddress
from collections.abc import Iterable, Sequence

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# IPv6 ranges that carry an IPv4 address inside: the inner one is what is reached (RFC 6052 §2.1, RFC 2765 §2.1,
# RFC 4291 §2.5.5.1).
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_TRANSLATED = ipaddress.IPv6Network("::ffff:0:0:0/96")
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")
# What `ipaddress` of our Pythons takes for public: what only a cloud's own machines reach and ask for their secrets
# (192.0.0.192 and 168.63.129.16), and where networks translate to their own IPv4 addresses (RFC 8215).
_NOT_PUBLIC = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "168.63.129.16/32", "64:ff9b:1::/48")))


def reached_address(address: IPAddress) -> IPAddress:
    """The address that a connection to `address` ends at: the IPv4 address inside a mapped or translated one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64 or address in _TRANSLATED or (address in _IPV4_COMPATIBLE and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def is_public(address: IPAddress) -> bool:
    """Whether `address` is one of the public internet: not loopback, private, link-local, multicast or reserved."""
    reached = reached_address(address)
    if isinstance(reached, ipaddress.IPv6Address) and reached.is_site_local:
        return False  # private before fc00::/7 was (RFC 3879), and still routed within some networks
    if any(reached in network for network in _NOT_PUBLIC):
        return False
    return reached.is_global and not (reached.is_multicast or reached.is_reserved or reached.is_unspecified)


class AddressNotPublic(Exception):
    """An address that outgoing calls may not reach; the text says which."""


class AddressPolicy:
    """Public addresses, and the hosts that the operator lists, as written in the URL: `name` or `name:port`."""

    def __init__(self, allowed_hosts: Iterable[str] = ()) -> None:
        self._allowed = frozenset(_normal(host) for host in allowed_hosts)

    def is_listed(self, host: str, port: int) -> bool:
        """Whether the operator lists this host; it may then resolve to any address."""
        name = _normal(host)
        return name in self._allowed or f"{name}:{port}" in self._allowed

    def checked(self, host: str, port: int, found: Sequence[str]) -> list[str]:
        """The addresses of `host` to connect to, in order.

        Raises:
            AddressNotPublic: one of them is not public, and the operator doesn't list the host.
        """
        addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in found]
        if not addresses:
            raise AddressNotPublic(f"{host} has no address.")
        if not self.is_listed(host, port) and not all(is_public(address) for address in addresses):
            raise AddressNotPublic(
                f"{host} is a loopback, private or reserved address, which outgoing calls may not reach."
            )
        return [str(address) for address in addresses]


def _normal(host: str) -> str:
    return host.strip().lower().removesuffix(".").replace("[", "").replace("]", "")
