"""The auth service as every other service asks it: what was revoked, and whose an API key is."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, cast

from fastapi import FastAPI

from kgents_shared.auth import IdentitySource, JwksKeySource, RevocationFeed
from kgents_shared.contracts.revocations import REVOCATION_SUBJECT, ResolveApiKey, ResolvedApiKey, RevocationPage
from kgents_shared.errors import BadGateway, Unavailable
from kgents_shared.http.background import BackgroundTasks
from kgents_shared.http.client import CallFailed, ServiceSession
from kgents_shared.http.settings import ServiceSettings

if TYPE_CHECKING:  # a service without a bus doesn't load it
    from kgents_shared.events import EventBus

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
_TIMEOUT_S = 5


class RemoteIdentity:
    """Calls of the auth service with this service's own token; a `ReadPage` and an `ApiKeySource`."""

    def __init__(self, settings: ServiceSettings, name: str) -> None:
        self.session = ServiceSession(settings.auth_url, name, settings.client_secret.get_secret_value())
        self._auth_url = settings.auth_url

    async def revocations_after(self, position: int, wait_s: float) -> RevocationPage:
        """One page of the feed, which auth waits for. Raises ApiError where auth is away."""
        client = self.session.client(self._auth_url, "auth")
        params = {"after": str(position), "wait_s": str(wait_s)}
        found = await client.request_json("GET", "/internal/revocations", params=params, timeout_s=wait_s + _TIMEOUT_S)
        return RevocationPage.model_validate(found)

    async def resolve(self, key: str) -> ResolvedApiKey | None:
        """See `ApiKeySource.resolve`."""
        client = self.session.client(self._auth_url, "auth")
        try:
            found = await client.request_json(
                "POST", "/internal/api-keys/resolve", json=ResolveApiKey(key=key).model_dump(), timeout_s=_TIMEOUT_S
            )
        except (CallFailed, BadGateway) as error:
            if isinstance(error, CallFailed) and error.far_status == 404:
                return None
            raise Unavailable("Whose key it is can't be known right now.", code="keys_unknown") from error
        return ResolvedApiKey.model_validate(found)


def asked_over_http(settings: ServiceSettings, name: str, inner: Lifespan) -> tuple[IdentitySource, Lifespan]:
    """The auth service as service `name` asks it, and `inner` with the session that this needs."""
    remote = RemoteIdentity(settings, name)
    feed = RevocationFeed(remote.revocations_after)
    keys = JwksKeySource(f"{settings.auth_url}/.well-known/jwks.json")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with remote.session, following(inner, feed)(app):
            yield

    return IdentitySource(keys, feed, remote), lifespan


def following(inner: Lifespan, feed: RevocationFeed) -> Lifespan:
    """`inner`, and while it is open the feed is followed: no service can forget to.

    Where `inner` puts an `event_bus` on the app's state, that brings the news sooner than the poll.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        app.state.health_probes["revocations"] = feed.answers
        async with inner(app), BackgroundTasks() as tasks:
            tasks.start("revocation feed", feed.run)
            bus = cast("EventBus | None", getattr(app.state, "event_bus", None))
            if bus is not None:
                tasks.start("revocation news", lambda: bus.on_message(REVOCATION_SUBJECT, feed.wake))
            yield

    return lifespan
