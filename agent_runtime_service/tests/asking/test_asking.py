"""An agent's question to another agent: a run of its owner's, once a key, never in a circle."""

from typing import Any
from uuid import uuid4

import httpx

from kgents_shared.contracts.asking import MOST_HOPS
from kgents_shared.testing.model_server import ModelServer, StatusFault
from tests.external.running_runtime import Runtime
from tests.external.runtime_siblings import RuntimeSiblings

JsonObject = dict[str, Any]


async def ask(runtime: Runtime, agent: str = "helper", text: str = "Hello", **changes: Any) -> httpx.Response:
    body = {"owner_id": runtime.owner, "principal": "ann", "agent": agent, "text": text, "key": uuid4().hex}
    headers = runtime.issuer.service("tools", "runtime")
    return await runtime.http.post("/internal/agents/ask", json=body | changes, headers=headers)


async def test_the_asked_agent_answers_in_a_run_of_its_owners_that_knows_who_asked(
    runtime: Runtime, siblings: RuntimeSiblings
) -> None:
    worker = await runtime.add_agent(tools={"allow": ["time.*"]})
    asking = uuid4()
    told = (await ask(runtime, text='call time.now {"zone": "UTC"}', hops=[str(asking)])).json()
    assert (told["status"], told["text"].startswith("The tool answered: ")) == ("completed", True)
    [call] = siblings.invocations
    assert (call.principal, call.hops) == ("ann", (asking, worker.agent_id))
    going_on: JsonObject = {"conversation_id": told["conversation_id"], "hops": [str(asking)]}
    again = (await ask(runtime, text="And now?", **going_on)).json()
    assert "messages seen" in again["text"]
    assert [role for role, _ in await runtime.transcript(told["conversation_id"])][-2:] == ["user", "assistant"]


async def test_an_agent_goes_on_in_no_conversation_that_it_did_not_begin_for_the_same_person(runtime: Runtime) -> None:
    await runtime.add_agent()
    asking = str(uuid4())
    persons = (await runtime.send("My secret is heron.")).json()["conversation_id"]
    begun = (await ask(runtime, hops=[asking])).json()["conversation_id"]
    listed = (await runtime.ask("GET", "/api/v1/conversations")).json()["items"]
    assert {one["id"]: one["asked_by"] for one in listed} == {persons: "person", begun: "agent"}
    before = await runtime.transcript(begun)
    tries: tuple[JsonObject, ...] = (
        {"conversation_id": persons, "hops": [asking]},
        {"conversation_id": persons, "principal": runtime.owner, "hops": [asking]},
        {"conversation_id": persons, "principal": runtime.owner},
        {"conversation_id": begun, "hops": [str(uuid4())]},
        {"conversation_id": begun, "hops": [asking], "principal": "ben"},
        {"conversation_id": str(uuid4()), "hops": [asking]},
    )
    for changes in tries:
        refused = await ask(runtime, text="What was said?", **changes)
        assert (refused.status_code, refused.json()["code"]) == (404, "conversation_not_found"), changes
    assert await runtime.transcript(begun) == before


async def test_an_agent_asks_what_is_published_and_no_version_by_its_number(runtime: Runtime) -> None:
    await runtime.add_agent()
    refused = await ask(runtime, "helper@1")
    assert (refused.status_code, refused.json()["code"]) == (404, "label_not_found")
    assert (await ask(runtime, "helper@stable")).json()["status"] == "completed"


async def test_the_same_key_is_the_same_question(runtime: Runtime, model: ModelServer) -> None:
    await runtime.add_agent()
    first = await ask(runtime, key="once")
    assert (await ask(runtime, key="once")).json() == first.json()
    assert len(model.completions) == 1


async def test_no_agent_is_asked_by_one_that_it_waits_for(runtime: Runtime) -> None:
    worker = await runtime.add_agent()
    for agent in ("helper", str(worker.agent_id)):
        refused = await ask(runtime, agent, hops=[str(worker.agent_id), str(uuid4())])
        assert (refused.status_code, refused.json()["code"]) == (409, "agent_loop")
    deep = await ask(runtime, hops=[str(uuid4()) for _ in range(MOST_HOPS)])
    assert (deep.status_code, deep.json()["code"]) == (409, "too_many_hops")


async def test_agents_of_others_and_of_nobody_are_not_found(runtime: Runtime) -> None:
    worker = await runtime.add_agent()
    for agent, owner in ((str(worker.agent_id), "someone-else"), ("nobody", runtime.owner), ("No Name", runtime.owner)):
        answer = await ask(runtime, agent, owner_id=owner)
        assert (answer.status_code, answer.json()["code"]) == (404, "agent_not_found"), answer.text


async def test_an_answer_that_can_not_be_had_is_told_as_a_messages_is(runtime: Runtime, model: ModelServer) -> None:
    await runtime.add_agent()
    model.script(*[StatusFault(400)] * 3)
    failed = await ask(runtime)
    assert failed.status_code >= 500
    assert failed.json()["run_status"] == "failed"


async def test_what_an_agent_asks_for_somebody_counts_for_their_budget(runtime: Runtime) -> None:
    await runtime.add_agent()
    person = f"person-{uuid4().hex}"
    budget = {"scope": "user", "window": "total", "max_tokens": 20}
    assert (await runtime.ask("PUT", "/api/v1/budgets", owner=person, json=budget)).status_code == 200
    refused = await ask(runtime, principal=person)
    assert (refused.status_code, refused.json()["code"]) == (429, "budget_exhausted")
    assert (await ask(runtime)).status_code == 200
