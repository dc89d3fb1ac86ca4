from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from kgents_shared.contracts.published_agent import DesiredState, PublishedAgent
from kgents_shared.testing.tokens import TokenIssuer

MakeAgent = Callable[..., Awaitable[dict[str, Any]]]
Clients = Callable[[dict[str, str]], Awaitable[httpx.AsyncClient]]


async def all_desired(deployment: httpx.AsyncClient, owner_id: str) -> dict[str, PublishedAgent]:
    found: dict[str, PublishedAgent] = {}
    cursor: str | None = None
    while True:
        query = {"limit": "3", **({"cursor": cursor} if cursor else {})}
        answer = await deployment.get("/internal/agents/desired", params=query)
        assert answer.status_code == 200, answer.text
        for item in answer.json()["items"]:
            agent = PublishedAgent.model_validate(item)
            if agent.owner_id == owner_id:
                assert agent.name not in found
                found[agent.name] = agent
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return found


async def test_desired_state_lists_the_announced_with_tombstones(
    caller: httpx.AsyncClient, deployment: httpx.AsyncClient, make_agent: MakeAgent
) -> None:
    owner_id = (await make_agent("runs", publish=True))["owner_id"]
    for name in ("stops", "goes"):
        await make_agent(name, publish=True)
    await make_agent("drafted")
    await caller.post("/api/v1/agents/stops/stop")
    await caller.delete("/api/v1/agents/goes")
    found = await all_desired(deployment, owner_id)
    assert {name: (agent.desired, agent.version, agent.generation) for name, agent in found.items()} == {
        "runs": (DesiredState.RUNNING, 1, 1),
        "stops": (DesiredState.STOPPED, 1, 2),
        "goes": (DesiredState.DELETED, 1, 2),
    }
    for agent in found.values():
        assert agent.spec is not None
        assert agent.spec.name == agent.name


async def test_a_rollback_is_desired_with_the_older_spec(
    caller: httpx.AsyncClient, deployment: httpx.AsyncClient, make_agent: MakeAgent
) -> None:
    owner_id = (await make_agent("older", publish=True, description="first"))["owner_id"]
    await caller.put("/api/v1/agents/older", json={"name": "older", "system_prompt": "x", "description": "second"})
    await caller.post("/api/v1/agents/older/publish")
    await caller.post("/api/v1/agents/older/rollback", json={"version": 1})
    agent = (await all_desired(deployment, owner_id))["older"]
    assert agent.spec is not None
    assert (agent.version, agent.generation, agent.spec.description) == (1, 3, "first")


async def test_tombstones_end_after_seven_days(
    caller: httpx.AsyncClient, deployment: httpx.AsyncClient, make_agent: MakeAgent, database_url: str
) -> None:
    made = await make_agent("long-gone", publish=True)
    await caller.delete("/api/v1/agents/long-gone")
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute(
            "UPDATE agents.agents SET deleted_at = now() - interval '7 days 1 minute' WHERE id = %s", (made["id"],)
        )
    assert await all_desired(deployment, made["owner_id"]) == {}


async def test_an_agent_is_resolved_for_its_owner_alone(
    caller: httpx.AsyncClient, deployment: httpx.AsyncClient, make_agent: MakeAgent
) -> None:
    made = await make_agent("asked-for", publish=True)
    for reference in ("asked-for", made["id"]):
        query = {"owner_id": made["owner_id"], "agent": reference}
        answer = await deployment.get("/internal/agents/resolve", params=query)
        assert PublishedAgent.model_validate(answer.json()).desired == DesiredState.RUNNING
        other = await deployment.get("/internal/agents/resolve", params={**query, "owner_id": "someone-else"})
        assert (other.status_code, other.json()["code"]) == (404, "agent_not_found")
    await caller.delete("/api/v1/agents/asked-for")
    gone = await deployment.get("/internal/agents/resolve", params={"owner_id": made["owner_id"], "agent": made["id"]})
    assert gone.status_code == 404


async def test_a_mere_draft_resolves_to_nothing_that_runs(deployment: httpx.AsyncClient, make_agent: MakeAgent) -> None:
    made = await make_agent("unpublished")
    answer = await deployment.get(
        "/internal/agents/resolve", params={"owner_id": made["owner_id"], "agent": "unpublished"}
    )
    agent = PublishedAgent.model_validate(answer.json())
    assert (agent.desired, agent.version, agent.generation, agent.spec) == (DesiredState.STOPPED, None, 0, None)


@pytest.mark.parametrize(
    "query",
    [
        {"agent": "a"}, {"owner_id": "o"}, {"owner_id": "o\x00", "agent": "a"}, {"owner_id": "", "agent": "a"},
        {"owner_id": "o", "agent": "x" * 201},
    ],
)  # fmt: skip
async def test_a_bad_question_is_told(deployment: httpx.AsyncClient, query: dict[str, str]) -> None:
    assert (await deployment.get("/internal/agents/resolve", params=query)).status_code == 422


async def test_a_foreign_cursor_is_told(deployment: httpx.AsyncClient) -> None:
    answer = await deployment.get("/internal/agents/desired", params={"cursor": "WyJhIl0"})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "bad_cursor")


async def test_internal_routes_open_to_the_named_services_alone(client_with: Clients, issuer: TokenIssuer) -> None:
    resolve = f"/internal/agents/resolve?owner_id={uuid4()}&agent=a"
    for headers, desired, resolved in (
        (issuer.service("deployment", "management"), 200, 404),
        (issuer.service("runtime", "management"), 403, 404),
        (issuer.service("tools", "management"), 403, 403),
        (issuer.service("deployment", "runtime"), 401, 401),
        (issuer.person("someone"), 404, 404),
        ({}, 401, 401),
    ):
        client = await client_with(headers)
        assert (await client.get("/internal/agents/desired")).status_code == desired
        assert (await client.get(resolve)).status_code == resolved
