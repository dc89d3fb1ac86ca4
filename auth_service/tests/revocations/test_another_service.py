"""Another service's frame over HTTP to the real auth service: what it learns, and what it does while that is away."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from pydantic import SecretStr

from kgents_shared.auth import Principal, require
from kgents_shared.auth import revocations as feed_module
from kgents_shared.http.app import ServiceFrame, build_service_app
from kgents_shared.http.routing import Router
from kgents_shared.http.settings import ServiceSettings
from kgents_shared.testing.polling import eventually
from tests.external.running_auth import ISSUER, TOOLS_SECRET, RunningAuth
from tests.external.running_runtime import serving

router = Router()


@router.get("/who")
async def who(principal: Annotated[Principal, Depends(require("agents:read"))]) -> str:
    return principal.subject


@asynccontextmanager
async def nothing(_: FastAPI) -> AsyncGenerator[None]:
    yield


@dataclass
class Service:
    """The other service, and the auth service's listener, which can go away."""

    app: FastAPI
    http: httpx.AsyncClient
    listener: AsyncExitStack

    async def status(self, bearer: str) -> int:
        return (await self.http.get("/who", headers={"Authorization": f"Bearer {bearer}"})).status_code

    async def says(self, bearer: str, status: int) -> None:
        async def so() -> bool:
            return await self.status(bearer) == status

        await eventually(so, describe=f"it answers {status}")


@pytest.fixture
async def service(auth: RunningAuth) -> AsyncGenerator[Service]:
    async with AsyncExitStack() as listener:
        listener.callback(auth.app.state.ending.clear)  # the next test's server is another
        server = await listener.enter_async_context(serving(auth.app, host="127.0.0.1", port=0, lifespan="off"))
        listener.callback(auth.app.state.ending.set)  # as its host does before it stops
        port = server.servers[0].sockets[0].getsockname()[1]
        given: dict[str, Any] = {"database_url": "postgresql://x", "nats_url": "nats://x", "issuer": ISSUER}
        given |= {"client_secret": SecretStr(TOOLS_SECRET), "auth_url": f"http://127.0.0.1:{port}"}
        app = build_service_app(
            ServiceFrame("tools", "Tools", ServiceSettings.model_validate(given), nothing, [router])
        )
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://tools") as http,
        ):
            await eventually(lambda: is_healthy(http), describe="the feed is read")
            yield Service(app, http, listener)


async def is_healthy(http: httpx.AsyncClient) -> bool:
    return (await http.get("/health")).status_code == 200


async def a_key(auth: RunningAuth, token: str) -> dict[str, Any]:
    body = {"name": "ci", "scopes": ["agents:read"]}
    headers = {"Authorization": f"Bearer {token}"}
    made: dict[str, Any] = (await auth.client.post("/api/v1/users/me/api-keys", json=body, headers=headers)).json()
    return made


async def test_it_refuses_what_was_revoked_at_the_auth_service(auth: RunningAuth, service: Service):
    token, other = (await auth.log_in())["access_token"], (await auth.log_in())["access_token"]
    key = (await a_key(auth, token))["key"]
    assert (await service.status(token), await service.status(key), await service.status(other)) == (200, 200, 200)
    subject = (await auth.app.state.token_verifier.verify(token)).subject
    async with auth.parts.storage.transaction() as work:
        await work.revocations.subject(subject)
    await service.says(token, 401)
    # The person has every right that they had: their key is theirs, and the token of a new login.
    assert (await service.status(key), await service.status(other)) == (200, 200)


async def test_it_refuses_an_api_key_that_was_deleted(auth: RunningAuth, service: Service):
    token = (await auth.log_in())["access_token"]
    made = await a_key(auth, token)
    assert await service.status(made["key"]) == 200
    headers = {"Authorization": f"Bearer {token}"}
    await auth.client.delete(f"/api/v1/users/me/api-keys/{made['id']}", headers=headers)
    await service.says(made["key"], 401)


async def test_its_own_revoked_token_is_replaced_and_the_feed_goes_on(auth: RunningAuth, service: Service):
    token = (await auth.log_in())["access_token"]
    principal = await auth.app.state.token_verifier.verify(token)
    assert await service.status(token) == 200
    async with auth.parts.storage.transaction() as work:
        await work.revocations.subject("tools")
    async with auth.parts.storage.transaction() as work:
        await work.revocations.session(str(principal.session_id))
    await service.says(token, 401)


async def test_while_auth_is_away_it_goes_on_with_whom_it_knows_for_a_minute(
    auth: RunningAuth, service: Service, monkeypatch: pytest.MonkeyPatch
):
    token = (await auth.log_in())["access_token"]
    known, unknown = (await a_key(auth, token))["key"], (await a_key(auth, token))["key"]
    assert (await service.status(token), await service.status(known)) == (200, 200)
    await service.listener.aclose()
    assert (await service.status(token), await service.status(known)) == (200, 200)
    assert await service.status(unknown) == 503
    monkeypatch.setattr(feed_module, "STALE_AFTER_S", -1.0)  # the minute is over
    for bearer in (token, known):
        answer = await service.http.get("/who", headers={"Authorization": f"Bearer {bearer}"})
        assert (answer.status_code, answer.json()["code"]) == (503, "revocations_unknown")
        assert answer.headers["Retry-After"]
    assert not await is_healthy(service.http)
