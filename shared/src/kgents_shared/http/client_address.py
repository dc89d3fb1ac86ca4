"""Who is at the other end: the connection's own address, unless a configured proxy says whom it speaks for.

`X-Forwarded-For` counts only where the connection comes from one of `trusted_proxies`, read from the right: the first
hop that is no proxy of ours is the caller, whatever it wrote itself before. `Forwarded`, `X-Real-IP` and
`X-Forwarded-Host` never count.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import cast

from fastapi import Request

from kgents_shared.http.settings import ServiceSettings

Address = IPv4Address | IPv6Address
UNKNOWN = "unknown"
_IPV6_SITE_BITS = 64


def client_address(request: Request) -> Address | None:
    """The caller's address; None where the connection has none (a Unix socket)."""
    settings = cast("ServiceSettings", request.app.state.settings)
    peer = "" if request.client is None else request.client.host
    return forwarded_address(peer, request.headers.getlist("x-forwarded-for"), settings.trusted_proxies)


def client_network(request: Request) -> str:
    """The caller as limits and security events count them.

    An IPv4 address, or an IPv6 network of 64 bits, which is what one site has.
    """
    address = client_address(request)
    if address is None:
        return UNKNOWN
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _IPV6_SITE_BITS), strict=False))
    return str(address)


def forwarded_address(
    peer: str, forwarded_for: Sequence[str], trusted_proxies: Sequence[IPv4Network | IPv6Network]
) -> Address | None:
    """Whom a connection from `peer` speaks for, by its `X-Forwarded-For` lines in the order that they came in."""
    address = _parsed(peer)
    if address is None:
        return None
    for hop in reversed(",".join(forwarded_for).split(",")):
        if not any(address in network for network in trusted_proxies):
            break
        before = _parsed(hop.strip())
        if before is None:
            break
        address = before
    return address


def _parsed(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
