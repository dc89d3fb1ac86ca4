"""What a server may reach through the proxy, beside what the addresses themselves forbid."""

from dataclasses import dataclass

_FIRST_UNPRIVILEGED_PORT = 1024


@dataclass(frozen=True, slots=True)
class ProxyRules:
    """`hosts`: `name`, `name:port` or `*.name`, all where there are none. `max_bytes`: what one connection may carry
    each way.
    """

    hosts: tuple[str, ...]
    max_bytes: int

    def refusal(self, host: str, port: int) -> str | None:
        """Why `host` isn't reached at `port`; None where it may be, if its addresses may."""
        name = host.lower().removesuffix(".")
        named = [pattern for pattern in self.hosts if _covers(pattern.lower(), name, port)]
        if self.hosts and not named:
            return f"{host}:{port} is none of the hosts that this server may reach: {', '.join(self.hosts)}."
        # Mail and other old protocols can be spoken by way of a request's body.
        if port not in (80, 443) and port < _FIRST_UNPRIVILEGED_PORT and not any(":" in pattern for pattern in named):
            return f"Port {port} is not one of the web's; an entry's hosts can name {host}:{port}."
        return None


@dataclass(slots=True)
class ProxyMeter:
    """What went through the proxy of a server since the platform started."""

    connections: int = 0
    refused: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    last_refusal: str | None = None


def _covers(pattern: str, name: str, port: int) -> bool:
    host, _, wanted = pattern.partition(":")
    if wanted and int(wanted) != port:
        return False
    if host.startswith("*."):
        return name.endswith(host[1:])
    return name == host
