"""A flow is an agent: kept whole beside its draft, given back as it was sent, published where it can run."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from agent_management_service.main import create_app
from agent_management_service.settings import ManagementSettings
from kgents_shared.definitions.documents import MAX_DOCUMENT_BYTES
from kgents_shared.definitions.flows.compile import MAX_FLOW_BYTES
from kgents_shared.testing.tokens import TokenIssuer
from tests.external.langflow import echo_flow, node_of, starter_flows

Json = dict[str, Any]
MakeAgent = Callable[..., Awaitable[Json]]
AGENTS = "/api/v1/agents"


async def made(caller: httpx.AsyncClient, flow: Json) -> Json:
    answer = await caller.post(AGENTS, json=flow)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_flow_becomes_an_agents_draft_and_is_given_back_as_it_was_sent(caller: httpx.AsyncClient) -> None:
    flow = echo_flow()
    agent = await made(caller, flow)
    assert (agent["name"], agent["status"], agent["draft"]["runtime"]["shell"]) == ("echo", "draft", "Langflow")
    answer = await caller.get(f"{AGENTS}/echo/flow")
    assert answer.status_code == 200
    assert answer.text == json.dumps(flow, separators=(",", ":"), ensure_ascii=False)


async def test_the_largest_starter_flow_is_kept_whole(caller: httpx.AsyncClient) -> None:
    body = max(starter_flows().values(), key=len)
    assert len(body) > MAX_DOCUMENT_BYTES
    answer = await caller.post(AGENTS, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 201
    assert (await caller.get(f"{AGENTS}/{answer.json()['id']}/flow")).json() == json.loads(body)


async def test_a_flow_with_faults_leaves_nothing_behind(caller: httpx.AsyncClient) -> None:
    flow = echo_flow()
    flow["data"]["nodes"][0]["data"]["node"]["template"]["code"]["value"] += "\nimport os"
    answer = await caller.post(AGENTS, json=flow)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert [fault["code"] for fault in answer.json()["errors"]] == ["flow_custom_code"]
    assert (await caller.get(AGENTS)).json()["items"] == []


async def test_validation_says_the_same_without_keeping_anything(caller: httpx.AsyncClient) -> None:
    flow = echo_flow()
    assert (await caller.post(f"{AGENTS}/validate", json=flow)).json() == {"errors": [], "warnings": []}
    flow["data"]["edges"][0]["target"] = "Gone"
    report = (await caller.post(f"{AGENTS}/validate", json=flow)).json()
    assert [(fault["code"], fault["loc"]) for fault in report["errors"]] == [
        ("flow_malformed", ["data", "edges", 0, "target"])
    ]
    assert (await caller.get(AGENTS)).json()["items"] == []


@pytest.mark.parametrize("publish", ["create", "publish", "reload"])
async def test_publishing_a_flow_that_nothing_runs_is_refused_with_the_reason(
    caller: httpx.AsyncClient, shells: Any, publish: str
) -> None:
    if publish == "create":
        answer = await caller.post(AGENTS, params={"publish": "true"}, json=echo_flow())
        assert (await caller.get(AGENTS)).json()["items"] == []
    else:
        await made(caller, echo_flow())
        if publish == "publish":
            answer = await caller.post(f"{AGENTS}/echo/publish", json={})
        else:
            answer = await caller.put(f"{AGENTS}/echo/reload", json=echo_flow("Another"))
            assert (await caller.get(f"{AGENTS}/echo/reload")).json()["state"] == "refused"
            assert (await caller.get(f"{AGENTS}/echo/flow")).json() == echo_flow()
        assert (await caller.get(f"{AGENTS}/echo")).json()["status"] == "draft"
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert (fault["loc"], fault["code"]) == (["runtime", "shell"], "not_runnable")
    assert shells.why is not None
    assert shells.why in fault["msg"]


async def test_a_flow_with_a_node_that_cannot_run_here_is_a_draft_and_is_not_published(
    caller: httpx.AsyncClient, shells: Any
) -> None:
    shells.why = None
    flow = echo_flow("Echo", node_of("URLComponent", "URL-1"))
    report = (await caller.post(f"{AGENTS}/validate", json=flow)).json()
    assert (report["errors"], [fault["code"] for fault in report["warnings"]]) == ([], ["flow_component_not_here"])
    await made(caller, flow)
    answer = await caller.post(f"{AGENTS}/echo/publish", json={})
    assert (answer.status_code, answer.json()["code"]) == (422, "not_runnable")
    (fault,) = answer.json()["errors"]
    assert (fault["code"], 'node "URL" (URL-1)' in fault["msg"]) == ("flow_component_not_here", True)


async def test_a_flow_is_published_and_given_to_who_runs_it(
    caller: httpx.AsyncClient, deployment: httpx.AsyncClient, shells: Any
) -> None:
    shells.why = None
    agent = await made(caller, echo_flow())
    assert (await caller.post(f"{AGENTS}/echo/publish", json={})).status_code == 200
    path = f"/internal/agents/{agent['id']}/versions"
    assert (await deployment.get(f"{path}/1/flow")).json() == echo_flow()
    assert (await caller.get(f"{path}/1/flow")).status_code == 404
    assert (await deployment.get(f"{path}/2/flow")).json()["code"] == "version_not_found"


async def test_a_flow_is_not_published_while_nobody_can_say_whether_it_runs(
    caller: httpx.AsyncClient, shells: Any
) -> None:
    shells.away = True
    await made(caller, echo_flow())
    answer = await caller.post(f"{AGENTS}/echo/publish", json={})
    assert answer.status_code == 503
    assert (await caller.get(f"{AGENTS}/echo")).json()["status"] == "draft"


async def test_a_draft_is_replaced_by_another_flow_under_the_agents_own_name(caller: httpx.AsyncClient) -> None:
    first = await made(caller, echo_flow())
    other = echo_flow("Quite another")
    answer = await caller.put(f"{AGENTS}/echo", json=other)
    assert answer.status_code == 200
    assert (answer.json()["name"], answer.json()["draft"]["name"]) == ("echo", "echo")
    assert (await caller.get(f"{AGENTS}/echo/flow")).json() == other
    # The flow that nothing names any more is gone: a definition can't bring it back.
    answer = await caller.put(f"{AGENTS}/echo", json=first["draft"])
    assert (answer.status_code, answer.json()["code"]) == (422, "flow_unknown")


async def test_what_stands_beside_the_flow_is_changed_by_its_hash(caller: httpx.AsyncClient) -> None:
    draft = (await made(caller, echo_flow()))["draft"]
    changed = draft | {"description": "Says it twice.", "limits": {"timeout_s": 7}}
    answer = await caller.put(f"{AGENTS}/echo", json=changed)
    assert answer.status_code == 200, answer.text
    assert (await caller.get(f"{AGENTS}/echo")).json()["draft"]["limits"]["timeout_s"] == 7
    assert (await caller.get(f"{AGENTS}/echo/flow")).json() == echo_flow()


async def test_a_flow_that_becomes_a_chat_agent_is_published_and_keeps_no_flow(caller: httpx.AsyncClient) -> None:
    draft = (await made(caller, echo_flow()))["draft"]
    chat = {"name": "echo", "system_prompt": "You help."}
    assert (await caller.put(f"{AGENTS}/echo", json=chat)).status_code == 200
    assert (await caller.post(f"{AGENTS}/echo/publish", json={})).status_code == 200
    assert (await caller.get(f"{AGENTS}/echo/flow")).json()["code"] == "flow_not_found"
    assert (await caller.get(f"{AGENTS}/echo/flow", params={"version": 1})).json()["code"] == "flow_not_found"
    assert (await caller.get(f"{AGENTS}/echo/flow", params={"version": 2})).json()["code"] == "version_not_found"
    assert (await caller.put(f"{AGENTS}/echo", json=draft)).json()["code"] == "flow_unknown"


async def test_anothers_flow_is_neither_read_nor_named(caller: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    agent = await made(caller, echo_flow())
    for name in (agent["id"], "echo"):
        answer = await stranger.get(f"{AGENTS}/{name}/flow")
        assert (answer.status_code, answer.json()["code"]) == (404, "agent_not_found")
    answer = await stranger.post(AGENTS, json=agent["draft"])
    assert (answer.status_code, answer.json()["code"]) == (422, "flow_unknown")


async def test_a_flow_is_not_taken_apart_into_a_bot(caller: httpx.AsyncClient) -> None:
    answer = await caller.post("/api/v1/kinds/bots/import", json=echo_flow())
    assert (answer.status_code, answer.json()["code"]) == (422, "flow_not_of_parts")


async def test_only_a_flow_may_be_longer_than_a_definition(caller: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/json"}
    for path, body in (
        (AGENTS, json.dumps({"name": "a", "system_prompt": "x" * MAX_DOCUMENT_BYTES})),
        ("/api/v1/kinds/ghosts", json.dumps({"name": "a", "system_prompt": "x" * MAX_DOCUMENT_BYTES})),
        (AGENTS, json.dumps(echo_flow() | {"extra": "x" * MAX_FLOW_BYTES})),
    ):
        answer = await caller.post(path, content=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


@pytest.fixture
async def trusting(settings: ManagementSettings, issuer: TokenIssuer) -> AsyncGenerator[httpx.AsyncClient]:
    """The service as an operator runs it who lets flows bring code."""
    app = create_app(settings.model_copy(update={"flow_code": True}), identity=issuer.identity)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        headers = issuer.person("owner-of-flows-with-code")
        async with httpx.AsyncClient(transport=transport, base_url="http://management", headers=headers) as client:
            yield client


async def test_an_operator_may_let_flows_bring_code(trusting: httpx.AsyncClient) -> None:
    flow = echo_flow()
    flow["data"]["nodes"][0]["data"]["node"]["template"]["code"]["value"] += "\nimport os"
    report = (await trusting.post(f"{AGENTS}/validate", json=flow)).json()
    assert (report["errors"], [fault["code"] for fault in report["warnings"]]) == ([], ["flow_brings_code"])
    assert (await trusting.post(AGENTS, json=flow)).status_code == 201
