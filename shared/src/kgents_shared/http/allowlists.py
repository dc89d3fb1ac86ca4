"""What an operator may put on the lists of who is let in or believed."""

import re
from ipaddress import IPv4Network, IPv6Network

# RFC 6454 §6.1: scheme, host, port where it isn't the scheme's own; nothing behind them.
_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")


def checked_origin(origin: str) -> str:
    """A site whose scripts may call. Raises ValueError for `*` and whatever else isn't one site's origin."""
    if not _ORIGIN.fullmatch(origin):
        raise ValueError(
            "must name each origin, such as https://app.example.com: with * every site's scripts would come in"
        )
    return origin


def proxy_network(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """Where proxies of ours are. Raises ValueError for the network of all addresses."""
    if network.prefixlen == 0:
        raise ValueError("must name your proxies: where everybody is one, anybody could write any address")
    return network
