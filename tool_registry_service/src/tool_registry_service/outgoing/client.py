"""Clients for outgoing HTTP, all made here."""

import ssl
from dataclasses import dataclass, field
from functools import cache
from typing import Self, cast

import httpcore
import httpx

from kgents_shared.http.addresses import AddressPolicy
from tool_registry_service.outgoing.transport import CheckedNetwork, GuardedTransport, Resolver, SystemResolver, Tell
from tool_registry_service.settings import ToolsSettings

_MAX_REDIRECTS = 5


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()


@dataclass(frozen=True, slots=True)
class OutgoingHttp:
    """Makes clients that reach only what `policy` lets through and read at most `max_answer_bytes` a response."""

    policy: AddressPolicy
    max_answer_bytes: int = 4_194_304
    timeout_s: float = 30
    connect_timeout_s: float = 5
    resolver: Resolver = field(default_factory=SystemResolver)

    @classmethod
    def of(cls, settings: ToolsSettings) -> Self:
        """As the operator set it: the allowed private addresses, the largest answer and the times."""
        return cls(
            AddressPolicy(settings.ssrf_allowed_hosts),
            max_answer_bytes=settings.max_answer_bytes,
            timeout_s=settings.call_timeout_s + settings.connect_timeout_s,
        )

    def network(self) -> CheckedNetwork:
        """What dials: names are resolved and addresses checked here."""
        return CheckedNetwork(self.policy, self.resolver, cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend()))

    def client(self, *, tell: Tell = lambda _: None, auth: httpx.Auth | None = None) -> httpx.AsyncClient:
        """A new client; its caller closes it. Redirects are followed, each through the same check."""
        return httpx.AsyncClient(
            transport=GuardedTransport(self.network(), _tls(), self.max_answer_bytes, tell),
            auth=auth,
            timeout=httpx.Timeout(self.timeout_s, connect=self.connect_timeout_s),
            follow_redirects=True,
            max_redirects=_MAX_REDIRECTS,
            trust_env=False,
        )
