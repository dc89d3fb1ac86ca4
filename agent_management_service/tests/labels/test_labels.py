"""Labels: which version answers whom, and what the deployer is told of it."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from kgents_shared.contracts.published_agent import DesiredState, PublishedAgent

MakeAgent = Callable[..., Awaitable[dict[str, Any]]]
AGENT = "/api/v1/agents/chatty"


@pytest.fixture
async def three_versions(caller: httpx.AsyncClient, make_agent: MakeAgent) -> str:
    """The owner of an agent whose versions 1 to 3 say `v1` to `v3`."""
    made = await make_agent("chatty", publish=True, description="v1")
    for number in (2, 3):
        body = {"name": "chatty", "system_prompt": "You help.", "description": f"v{number}"}
        assert (await caller.put(AGENT, json=body)).status_code == 200
        assert (await caller.post(f"{AGENT}/publish")).json()["version"] == number
    return made["owner_id"]


async def desired(deployment: httpx.AsyncClient, owner_id: str) -> PublishedAgent:
    answer = await deployment.get("/internal/agents/resolve", params={"owner_id": owner_id, "agent": "chatty"})
    return PublishedAgent.model_validate(answer.json())


async def put(caller: httpx.AsyncClient, label: str, **body: Any) -> httpx.Response:
    return await caller.put(f"{AGENT}/labels/{label}", json=body)


async def test_the_stable_version_is_what_is_desired_until_the_label_moves(
    caller: httpx.AsyncClient, deployment: httpx.AsyncClient, three_versions: str
) -> None:
    before = (await desired(deployment, three_versions)).generation
    assert (await put(caller, "stable", version=2)).json() == {"label": "stable", "version": 2, "share": 100}
    held = await desired(deployment, three_versions)
    assert held.spec is not None
    assert (held.version, held.spec.description, held.generation) == (2, "v2", before + 1)
    await caller.put(AGENT, json={"name": "chatty", "system_prompt": "You help.", "description": "v4"})
    published = (await caller.post(f"{AGENT}/publish")).json()
    assert (published["version"], published["labels"]) == (4, [{"label": "stable", "version": 2, "share": 100}])
    assert (await desired(deployment, three_versions)).version == 2
    assert (await caller.delete(f"{AGENT}/labels/stable")).status_code == 204
    assert (await desired(deployment, three_versions)).version == 4


async def test_a_canary_is_desired_beside_with_its_share(
    caller: httpx.AsyncClient, deployment: httpx.AsyncClient, three_versions: str
) -> None:
    assert (await put(caller, "canary", version=1, share=10)).json()["share"] == 10
    await put(caller, "stable", version=3)
    assert (await caller.get(f"{AGENT}/labels")).json() == {
        "items": [{"label": "stable", "version": 3, "share": 90}, {"label": "canary", "version": 1, "share": 10}],
        "next_cursor": None,
    }
    state = await desired(deployment, three_versions)
    assert state.canary is not None
    assert (state.version, state.canary.version, state.canary.share) == (3, 1, 10)
    assert state.canary.spec.description == "v1"
    listed = (await deployment.get("/internal/agents/desired", params={"limit": "1000"})).json()["items"]
    assert [PublishedAgent.model_validate(row) for row in listed if row["owner_id"] == three_versions] == [state]
    assert (await put(caller, "canary", version=2)).json() == {"label": "canary", "version": 2, "share": 10}
    await caller.delete(f"{AGENT}/labels/canary")
    assert (await desired(deployment, three_versions)).canary is None
    assert (await put(caller, "canary", version=2)).json()["share"] == 0


async def test_the_same_label_again_changes_nothing(
    caller: httpx.AsyncClient, deployment: httpx.AsyncClient, three_versions: str
) -> None:
    await put(caller, "canary", version=1, share=10)
    before = await desired(deployment, three_versions)
    await put(caller, "canary", version=1, share=10)
    await put(caller, "canary", version=1)
    assert await desired(deployment, three_versions) == before


async def test_a_rollback_takes_the_label_stable_along(
    caller: httpx.AsyncClient, deployment: httpx.AsyncClient, three_versions: str
) -> None:
    await put(caller, "stable", version=3)
    answer = await caller.post(f"{AGENT}/rollback", json={"version": 1})
    assert answer.json()["labels"] == [{"label": "stable", "version": 1, "share": 100}]
    assert (await desired(deployment, three_versions)).version == 1


async def test_a_stopped_agent_keeps_its_labels_and_stays_stopped(
    caller: httpx.AsyncClient, deployment: httpx.AsyncClient, three_versions: str
) -> None:
    await caller.post(f"{AGENT}/stop")
    await put(caller, "stable", version=2)
    assert (await desired(deployment, three_versions)).desired == DesiredState.STOPPED
    await caller.post(f"{AGENT}/publish")
    state = await desired(deployment, three_versions)
    assert (state.desired, state.version) == (DesiredState.RUNNING, 2)


@pytest.mark.parametrize(
    ("label", "body", "status", "code"),
    [
        ("stable", {"version": 4}, 404, "version_not_found"),
        ("stable", {"version": 3, "share": 50}, 422, "share_of_canary"),
        ("canary", {"version": 3, "share": 101}, 422, "less_than_equal"),
        ("canary", {"version": 3, "share": -1}, 422, "greater_than_equal"),
        ("canary", {"version": "3"}, 422, "int_type"),
        ("canary", {}, 422, "missing"),
        ("canary", {"version": 3, "weight": 1}, 422, "extra_forbidden"),
        ("beta", {"version": 3}, 422, "enum"),
    ],
)
async def test_what_can_be_no_label_is_told(
    caller: httpx.AsyncClient, three_versions: str, label: str, body: dict[str, Any], status: int, code: str
) -> None:
    answer = await put(caller, label, **body)
    assert answer.status_code == status
    told = answer.json()
    assert code in {told["code"], *(fault["code"] for fault in told.get("errors", []))}
    assert (await caller.get(f"{AGENT}/labels")).json()["items"] == []


async def test_a_label_that_is_not_set_is_not_found(caller: httpx.AsyncClient, three_versions: str) -> None:
    for answer in (await caller.get(f"{AGENT}/labels/canary"), await caller.delete(f"{AGENT}/labels/canary")):
        assert (answer.status_code, answer.json()["code"]) == (404, "label_not_found")


async def test_a_draft_has_no_version_to_label(caller: httpx.AsyncClient, make_agent: MakeAgent) -> None:
    await make_agent("chatty")
    answer = await put(caller, "stable", version=1)
    assert (answer.status_code, answer.json()["code"]) == (404, "version_not_found")


async def test_another_owner_finds_no_labels(stranger: httpx.AsyncClient, three_versions: str) -> None:
    assert (await stranger.get(f"{AGENT}/labels")).status_code == 404
    assert (await put(stranger, "stable", version=1)).json()["code"] == "agent_not_found"
