"""Who is at the other end: the connection's own address, unless a configured proxy says whom it speaks for."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from fastapi import Request

_Address = IPv4Address | IPv6Address
_IPV6_SITE_BITS = 64


def client_network(request: Request, trusted_proxies: Sequence[str]) -> str:
    """The caller's address as limits count it: an IPv4 address, or an IPv6 network of 64 bits, which one site has.

    `X-Forwarded-For` counts only where the connection comes from one of `trusted_proxies` (addresses or networks), read
    from the right: the first that is no proxy of ours. `Forwarded` and `X-Real-IP` never count.
    """
    address = _parsed(request.client.host) if request.client is not None else None
    if address is None:
        return "unknown"
    ours = _networks(tuple(trusted_proxies))
    hops = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
    for hop in reversed(hops):
        if not _is_in(address, ours):
            break
        before = _parsed(hop.strip())
        if before is None:
            break
        address = before
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _IPV6_SITE_BITS), strict=False))
    return str(address)


def _parsed(text: str) -> _Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _is_in(address: _Address, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


@lru_cache(maxsize=16)
def _networks(texts: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(text, strict=False) for text in texts)
