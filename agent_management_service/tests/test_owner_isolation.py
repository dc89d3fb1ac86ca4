"""Every route, asked by another owner: taken from the app itself, so that a new route can't be forgotten."""

import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from agent_management_service.main import create_app
from agent_management_service.settings import ManagementSettings
from kgents_shared.auth import public_routes, route_scopes
from kgents_shared.testing.tokens import TokenIssuer

MakeAgent = Callable[..., Awaitable[dict[str, Any]]]
Clients = Callable[[dict[str, str]], Awaitable[httpx.AsyncClient]]
DEFINITION = {"name": "private", "system_prompt": "Mine now."}


def app_without_servers() -> FastAPI:
    settings = {"database_url": "postgresql://x", "nats_url": "nats://x", "client_secret": "x"}
    return create_app(ManagementSettings.model_validate(settings))


PUBLIC = [
    "GET /api/v1/agents/profiles/attestations/{attestation_id}/status",
    "GET /api/v1/schemas/agent",
    "GET /health",
]
# POSTs that keep nothing.
READS = {"/api/v1/agents/validate"}
ROUTES = [route.split() for route in route_scopes(app_without_servers())]
ROUTES_OF_ONE_AGENT = [(method, path) for method, path in ROUTES if "{agent}" in path]


def body_for(method: str, path: str) -> dict[str, Any]:
    if method in {"GET", "DELETE"}:
        return {}
    if path.endswith(("/rollback", "/labels/{label}")):
        return {"json": {"version": 1}}
    return {"json": DEFINITION if method == "PUT" else {}}


def without_correlation(answer: httpx.Response) -> dict[str, Any]:
    problem = answer.json()
    del problem["correlation_id"]
    return problem


def test_the_generated_routes_are_all_there() -> None:
    assert len(ROUTES_OF_ONE_AGENT) >= 8


@pytest.mark.parametrize(("method", "path"), ROUTES_OF_ONE_AGENT)
async def test_another_owners_agent_is_the_same_404_as_none(
    method: str, path: str, caller: httpx.AsyncClient, stranger: httpx.AsyncClient, make_agent: MakeAgent
) -> None:
    mine = await make_agent("private", publish=True)

    async def ask(reference: str) -> httpx.Response:
        concrete = path.replace("{agent}", reference).replace("{number}", "1").replace("{label}", "stable")
        return await stranger.request(method, concrete, **body_for(method, path))

    unknown = await ask(str(uuid4()))
    assert (unknown.status_code, unknown.json()["code"]) == (404, "agent_not_found")
    for reference in (mine["id"], "private", mine["id"].upper()):
        answer = await ask(reference)
        assert answer.status_code == 404
        assert without_correlation(answer) == without_correlation(unknown)
    assert (await caller.get("/api/v1/agents/private")).json() == mine


async def test_a_list_shows_only_the_callers_own(
    caller: httpx.AsyncClient, stranger: httpx.AsyncClient, make_agent: MakeAgent
) -> None:
    mine = await make_agent("mine")
    assert (await stranger.get("/api/v1/agents")).json() == {"items": [], "next_cursor": None}
    assert (await caller.get("/api/v1/agents")).json()["items"] == [mine]


async def test_a_cursor_of_anothers_list_shows_nothing_of_it(
    caller: httpx.AsyncClient, stranger: httpx.AsyncClient, make_agent: MakeAgent
) -> None:
    for number in range(3):
        await make_agent(f"agent-{number}")
    cursor = (await caller.get("/api/v1/agents", params={"limit": 1})).json()["next_cursor"]
    assert (await stranger.get("/api/v1/agents", params={"cursor": cursor})).json()["items"] == []


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_no_token_is_401_and_a_missing_scope_403_before_the_body_is_read(
    method: str, path: str, client_with: Clients, issuer: TokenIssuer
) -> None:
    concrete = path.replace("{agent}", "any").replace("{number}", "1")
    (needed,) = route_scopes(app_without_servers())[f"{method} {path}"]
    assert needed == ("agents:read" if method == "GET" or path in READS else "agents:write")
    other = "agents:read" if needed == "agents:write" else "agents:write"
    for headers, status in (
        ({}, 401),
        ({"Authorization": "Bearer nonsense"}, 401),
        (issuer.person("limited", [other]), 403),
        (issuer.service("deployment", "management"), 403),
        (issuer.service("deployment", "runtime"), 401),
    ):
        client = await client_with({**headers, "content-type": "application/json"})
        answer = await client.request(method, concrete, content=b"{broken")
        assert answer.status_code == status, json.dumps(answer.json())


def test_only_health_the_schema_and_whether_an_attestation_stands_are_public() -> None:
    assert public_routes(app_without_servers()) == PUBLIC
