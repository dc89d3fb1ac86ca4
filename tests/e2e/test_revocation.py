"""What is revoked at the auth service is refused by every service of the running platform, whatever was verified."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from uuid import UUID

import httpx
import pytest

from kgents_shared.testing.plain_http import PLAIN
from kgents_shared.testing.polling import eventually
from tests.e2e.running_platform import RunningPlatform

# One route of each service that any reader may use, and what it answers to one.
ROUTES = {
    "/api/v1/users/me": 200,
    "/api/v1/agents": 200,
    "/api/v1/approvals": 200,
    "/api/v1/conversations": 200,
    "/api/v1/deployments": 200,
    "/api/v1/mcp-servers": 200,
    f"/api/v1/nl/agents/{UUID(int=0)}": 404,
}
SCOPES = ["agents:read", "approvals:read", "conversations:read", "deployments:read", "tools:read"]


@pytest.fixture
async def visitor(platform: RunningPlatform) -> AsyncGenerator[httpx.AsyncClient]:
    """A client that sends no token of its own."""
    async with httpx.AsyncClient(base_url=platform.url, timeout=60, verify=PLAIN) as opened:
        yield opened


async def answers(visitor: httpx.AsyncClient, bearer: str) -> dict[str, int]:
    headers = {"Authorization": f"Bearer {bearer}"}
    return {route: (await visitor.get(route, headers=headers)).status_code for route in ROUTES}


async def is_refused_everywhere(visitor: httpx.AsyncClient, bearer: str) -> None:
    async def refused() -> None:
        assert set((await answers(visitor, bearer)).values()) == {401}

    await eventually(refused, describe="every service refuses the bearer")


async def test_who_logs_out_is_refused_by_every_service(platform: RunningPlatform, visitor: httpx.AsyncClient):
    ended, other = await platform.token(), await platform.token()
    assert await answers(visitor, ended) == ROUTES
    answer = await visitor.post("/api/v1/auth/logout", json={}, headers={"Authorization": f"Bearer {ended}"})
    assert answer.status_code == 204, answer.text
    await is_refused_everywhere(visitor, ended)
    assert await answers(visitor, other) == ROUTES


async def test_an_api_key_opens_every_service_until_it_is_deleted(
    client: httpx.AsyncClient, visitor: httpx.AsyncClient
):
    body = {"name": "continuous integration", "scopes": SCOPES, "expires_in_days": 1}
    made = (await client.post("/api/v1/users/me/api-keys", json=body)).json()
    assert await answers(visitor, made["key"]) == ROUTES
    too_much = await visitor.post("/api/v1/agents", json={}, headers={"Authorization": f"Bearer {made['key']}"})
    assert (too_much.status_code, too_much.json()["code"]) == (403, "scope_missing")
    assert (await client.delete(f"/api/v1/users/me/api-keys/{made['id']}")).status_code == 204
    await is_refused_everywhere(visitor, made["key"])
    assert await answers(client, client.headers["Authorization"].split()[1]) == ROUTES
