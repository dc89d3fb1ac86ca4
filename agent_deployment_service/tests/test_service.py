"""The service as a whole: from an event to a sandbox that answers, and back to nothing."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psutil
import pytest
from fastapi import FastAPI

from agent_deployment_service.main import SERVICE
from kgents_shared.auth import public_routes
from kgents_shared.auth.requirements import internal_routes_without_service
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.published_agent import DesiredState, PublishedAgent
from kgents_shared.db import migrations
from kgents_shared.events import EventBus, make_event, subject_of
from kgents_shared.testing.polling import eventually

if TYPE_CHECKING:
    import httpx

    from .conftest import RunningApp, Siblings

Publish = Callable[[PublishedAgent], Any]
EVENT_TYPES = {"running": "agent.published", "stopped": "agent.stopped", "deleted": "agent.deleted"}


def wanted(name: str, *, generation: int = 1, version: int = 1, desired: str = "running", like: Any = None) -> Any:
    return PublishedAgent(
        agent_id=like.agent_id if like else uuid4(),
        owner_id="owner",
        name=name,
        version=version,
        generation=generation,
        desired=DesiredState(desired),
        spec=AgentSpec(name=name, system_prompt="x"),
    )


@pytest.fixture
async def publish(nats_server: Any, siblings: Siblings) -> AsyncGenerator[Publish]:
    """Tells of a desired state as management does: on its listing, and by event."""
    async with EventBus(nats_server.url, nats_server.token, name="test") as bus:

        async def tell(item: PublishedAgent) -> None:
            siblings.desired[item.agent_id] = item
            kind = EVENT_TYPES[item.desired.value]
            event = make_event("agents", kind, str(item.agent_id), item)
            jetstream = await bus.jetstream()
            await jetstream.publish(subject_of("agents", kind), event.model_dump_json().encode())

        yield tell


def versions(siblings: Siblings, agent: PublishedAgent) -> list[tuple[int, str]]:
    rows = [row for row in siblings.instances.values() if row["agent_id"] == str(agent.agent_id)]
    return sorted((row["version"], row["state"]) for row in rows)


async def test_an_event_becomes_a_sandbox_that_answers_and_ends_with_the_agent(
    app: FastAPI, siblings: Siblings, publish: Publish, caller: httpx.AsyncClient
):
    agent = wanted("greeter")
    await publish(agent)
    await eventually(lambda: versions(siblings, agent) == [(1, "ready")], 20)
    (item,) = (await caller.get("/api/v1/agents/greeter/deployments")).json()["items"]
    assert (item["state"], item["desired"], item["version"], item["launcher"]) == ("ready", "running", 1, "process")
    (instance,) = item["instances"]
    assert psutil.Process(instance["pid"]).cmdline()[0] == "kgents: worker greeter"
    assert (item["lifecycle"], instance["limits"]) == ("running", {"cpu": 1.0, "memory_mb": 256, "processes": 64})
    assert instance["usage"]["memory_mb"] > 0
    await publish(wanted("greeter", generation=2, desired="deleted", like=agent))
    await eventually(lambda: versions(siblings, agent) == [], 20)
    await eventually(lambda: not psutil.pid_exists(instance["pid"]), 20)
    assert (await caller.get("/api/v1/agents/greeter/deployments")).status_code == 404


async def test_a_new_version_replaces_the_old_one_without_a_gap(app: FastAPI, siblings: Siblings, publish: Publish):
    agent = wanted("roller")
    await publish(agent)
    await eventually(lambda: versions(siblings, agent) == [(1, "ready")], 20)
    gaps: list[object] = []
    await publish(wanted("roller", generation=2, version=2, like=agent))

    def replaced() -> bool:
        seen = versions(siblings, agent)
        if not any(state == "ready" for _, state in seen):
            gaps.append(seen)
        return seen == [(2, "ready")]

    await eventually(replaced, 20, interval=0.001)
    assert gaps == []


async def test_a_killed_worker_answers_again_and_the_deployment_says_why_it_ended(
    app: FastAPI, siblings: Siblings, publish: Publish, caller: httpx.AsyncClient
):
    agent = wanted("phoenix")
    await publish(agent)
    await eventually(lambda: versions(siblings, agent) == [(1, "ready")], 20)
    before = (await caller.get("/api/v1/agents/phoenix/deployments")).json()["items"][0]["instances"][0]
    os.kill(before["pid"], signal.SIGKILL)

    async def back() -> bool:
        item = (await caller.get("/api/v1/agents/phoenix/deployments")).json()["items"][0]
        now = item["instances"][0]
        return item["state"] == "ready" and now["restarts"] == 1 and now["pid"] != before["pid"]

    await eventually(back, 20)
    instance = (await caller.get("/api/v1/agents/phoenix/deployments")).json()["items"][0]["instances"][0]
    assert instance["last_error"] == "it was killed by SIGKILL"
    await eventually(lambda: versions(siblings, agent) == [(1, "ready")], 20)


async def test_the_runtime_asks_for_a_version_by_number_and_it_runs_beside(
    app: FastAPI, siblings: Siblings, publish: Publish, client_with: Any, issuer: Any, caller: httpx.AsyncClient
):
    runtime = await client_with(issuer.service("runtime", "deployment"))
    agent = wanted("elder", version=5)
    siblings.versions = {
        (str(agent.agent_id), number): AgentSpec(name="elder", system_prompt="x") for number in range(1, 6)
    }
    await publish(agent)
    await eventually(lambda: versions(siblings, agent) == [(5, "ready")], 20)

    async def want(number: int) -> tuple[int, str | None]:
        answer = await runtime.put(f"/internal/agents/{agent.agent_id}/versions/{number}")
        return answer.status_code, answer.json()["code"] if answer.content else None

    assert [await want(number) for number in (5, 1, 1, 6)] == [
        (204, None), (204, None), (204, None), (404, "version_not_found"),
    ]  # fmt: skip
    await eventually(lambda: versions(siblings, agent) == [(1, "ready"), (5, "ready")], 20)
    (item,) = (await caller.get("/api/v1/agents/elder/deployments")).json()["items"]
    assert item["state"] == "ready"
    assert sorted((row["lane"], row["version"]) for row in item["instances"]) == [("1", 1), ("stable", 5)]
    assert [await want(number) for number in (2, 3, 4)] == [
        (204, None), (204, None), (429, "too_many_versions"),
    ]  # fmt: skip
    await publish(wanted("elder", version=5, generation=2, desired="stopped", like=agent))
    await eventually(lambda: versions(siblings, agent) == [], 20)
    assert await want(1) == (409, "agent_not_published")
    nobody = await runtime.put(f"/internal/agents/{uuid4()}/versions/1")
    assert (nobody.status_code, nobody.json()["code"]) == (404, "agent_not_found")
    assert (await caller.put(f"/internal/agents/{agent.agent_id}/versions/1")).status_code == 404


async def test_what_events_missed_is_healed_by_asking_management(app: FastAPI, siblings: Siblings):
    agent = wanted("unheard")
    siblings.desired[agent.agent_id] = agent
    await eventually(lambda: versions(siblings, agent) == [(1, "ready")], 20)
    del siblings.desired[agent.agent_id]
    await eventually(lambda: versions(siblings, agent) == [], 20)


async def test_the_end_of_the_service_leaves_no_process_and_the_next_start_brings_everything_back(
    start_app: RunningApp, siblings: Siblings
):
    agent = wanted("returner")
    siblings.desired[agent.agent_id] = agent
    seen: list[int] = []
    for _ in range(2):
        async with start_app() as app:
            await eventually(lambda: versions(siblings, agent) == [(1, "ready")], 20)

            def fresh(app: FastAPI = app) -> bool:
                pids = [row.pid for row in app.state.launcher.processes()]
                seen[:] = pids
                return len(pids) >= 2

            await eventually(fresh, 20)
        assert not any(psutil.pid_exists(pid) for pid in seen)


async def test_a_restart_starts_a_new_instance_once_per_key(
    app: FastAPI, siblings: Siblings, publish: Publish, caller: httpx.AsyncClient
):
    agent = wanted("again")
    await publish(agent)
    await eventually(lambda: versions(siblings, agent) == [(1, "ready")], 20)
    first = next(iter(siblings.instances))
    headers = {"Idempotency-Key": "only-once"}
    answers = await asyncio.gather(*(caller.post("/api/v1/agents/again/restart", headers=headers) for _ in range(5)))
    assert [answer.status_code for answer in answers] == [202] * 5

    def replaced() -> bool:
        return first not in siblings.instances and versions(siblings, agent) == [(1, "ready")]

    await eventually(replaced, 20)
    items = (await caller.get("/api/v1/agents/again/deployments")).json()["items"]
    assert [row["state"] for row in items[0]["instances"]] == ["ready", "stopped"]


async def test_logs_are_the_newest_lines_of_the_agents_workers(
    app: FastAPI, siblings: Siblings, publish: Publish, caller: httpx.AsyncClient
):
    agent = wanted("writer")
    await publish(agent)
    await eventually(lambda: versions(siblings, agent) == [(1, "ready")], 20)
    answer = await caller.get("/api/v1/agents/writer/logs", params={"tail": 5})
    assert answer.json() == {"items": ["worker of writer listens"], "next_cursor": None}
    assert (await caller.get("/api/v1/agents/writer/logs", params={"tail": 0})).status_code == 422


async def test_another_owners_agent_is_not_found_on_any_route(
    app: FastAPI, siblings: Siblings, publish: Publish, stranger: httpx.AsyncClient
):
    agent = wanted("private")
    await publish(agent)
    await eventually(lambda: versions(siblings, agent) == [(1, "ready")], 20)
    answers = [
        await stranger.request(method, f"/api/v1/agents/{reference}/{leaf}")
        for reference in ("private", agent.agent_id, uuid4(), "never-was")
        for method, leaf in (("GET", "deployments"), ("GET", "logs"), ("POST", "restart"))
    ]
    bodies = [{**answer.json(), "correlation_id": None} for answer in answers]
    assert {answer.status_code for answer in answers} == {404}
    assert all(body == bodies[0] for body in bodies)
    assert (await stranger.get("/api/v1/deployments")).json()["items"] == []


async def test_a_draft_has_no_deployments_no_logs_and_nothing_to_restart(
    app: FastAPI, siblings: Siblings, caller: httpx.AsyncClient
):
    siblings.drafts.add(("owner", "sketch"))
    assert (await caller.get("/api/v1/agents/sketch/deployments")).json()["items"] == []
    assert (await caller.get("/api/v1/agents/sketch/logs")).json()["items"] == []
    refused = await caller.post("/api/v1/agents/sketch/restart")
    assert (refused.status_code, refused.json()["code"]) == (409, "agent_not_published")


async def test_deployments_are_listed_in_pages(app: FastAPI, siblings: Siblings, caller: httpx.AsyncClient):
    agents = [wanted(f"page-{n}", desired="stopped") for n in range(3)]
    for agent in agents:
        siblings.desired[agent.agent_id] = agent

    async def all_known() -> bool:
        return len((await caller.get("/api/v1/deployments")).json()["items"]) == 3

    await eventually(all_known, 20)
    first = (await caller.get("/api/v1/deployments", params={"limit": 2})).json()
    second = (await caller.get("/api/v1/deployments", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    names = [item["agent"] for item in first["items"] + second["items"]]
    assert sorted(names) == ["page-0", "page-1", "page-2"]
    assert second["next_cursor"] is None
    assert (await caller.get("/api/v1/deployments", params={"cursor": "WyJ4Il0"})).status_code == 422


async def test_processes_are_told_to_services_alone(
    app: FastAPI, client_with: Any, issuer: Any, caller: httpx.AsyncClient
):
    await app.state.launcher.protections()
    runtime = await client_with(issuer.service("runtime", "deployment"))
    answer = (await runtime.get("/internal/processes")).json()
    assert answer["processes"][0]["role"] == "forkserver"
    assert {"name": "system_call_filter", "on": True, "detail": ""} in answer["protections"]
    assert (await caller.get("/internal/processes")).status_code == 404


async def test_management_is_told_what_runs_of_an_owners_agent_and_nobody_else(
    app: FastAPI, siblings: Siblings, client_with: Any, issuer: Any, caller: httpx.AsyncClient
):
    agent = wanted("observed", desired="stopped")
    siblings.desired[agent.agent_id] = agent
    management = await client_with(issuer.service("management", "deployment"))
    path, owner = f"/internal/deployments/{agent.agent_id}", {"owner_id": "owner"}

    async def is_known() -> bool:
        return (await management.get(path, params=owner)).json() is not None

    await eventually(is_known, 20)
    seen = (await management.get(path, params=owner)).json()
    assert (seen["state"], seen["version"], seen["instances"], seen["ready"]) == ("stopped", 1, 0, 0)
    for place, asked in ((path, {"owner_id": "stranger"}), (f"/internal/deployments/{uuid4()}", owner)):
        answer = await management.get(place, params=asked)
        assert (answer.status_code, answer.json()) == (200, None)
    runtime = await client_with(issuer.service("runtime", "deployment"))
    assert (await runtime.get(path, params=owner)).json() == seen
    tools = await client_with(issuer.service("tools", "deployment"))
    assert (await tools.get(path, params=owner)).status_code == 403
    assert (await caller.get(path, params=owner)).status_code == 404


async def test_management_is_told_which_agents_can_run_here(client_with: Any, issuer: Any, caller: httpx.AsyncClient):
    management = await client_with(issuer.service("management", "deployment"))
    assert (await management.get("/internal/shells/Chat")).json() == {"why_not": None}
    assert "kgents langflow install" in (await management.get("/internal/shells/Langflow")).json()["why_not"]
    assert (await management.get("/internal/shells/Remote")).json() == {"why_not": None}
    assert (await management.get("/internal/shells/Docker")).status_code == 422
    assert (await caller.get("/internal/shells/Chat")).status_code == 404


async def test_only_health_is_public_and_every_internal_route_asks_for_a_service(app: FastAPI):
    assert public_routes(app) == ["GET /health"]
    assert internal_routes_without_service(app) == []


async def test_the_models_and_the_migrations_agree(database_url: str):
    await asyncio.to_thread(migrations.check, SERVICE, database_url)
