"""Messages to whoever can: which agents there are, who is asked, and what the log says of it."""

import asyncio
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg

from agent_runtime_service.capabilities.balance import ranked
from agent_runtime_service.capabilities.deliveries import Delivery
from agent_runtime_service.capabilities.refused import MOST_OF_OWNER, RefusedDeliveries
from agent_runtime_service.capabilities.registry import CapabilityRegistry
from agent_runtime_service.instances.directory import InstanceDirectory
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.instances import InstanceRegistration
from kgents_shared.contracts.tools import InvokeToolRequest
from kgents_shared.contracts.worker import ToolCallResult, ToolDefinition
from kgents_shared.testing.model_server import ModelRequest, ModelServer, Reply, ToolCall
from kgents_shared.testing.polling import eventually
from tests.external.running_runtime import Runtime, read_events
from tests.external.runtime_siblings import AnswerLater, Gate, RuntimeSiblings

JsonObject = dict[str, Any]


def registered(name: str, *capabilities: str, owner: str = "ann", **changes: Any) -> InstanceRegistration:
    spec = AgentSpec.model_validate({"name": name, "system_prompt": "Any.", "capabilities": list(capabilities)})
    values: JsonObject = {
        "agent_id": uuid4(), "agent_name": name, "owner_id": owner, "version": 1, "generation": 1, "spec": spec,
        "endpoint_url": "unix:/nowhere.sock", "token_hash": "-",
    }  # fmt: skip
    return InstanceRegistration(**(values | changes))


def names(registry: CapabilityRegistry, capability: str, *owners: str) -> list[str]:
    return [agent.name for agent in registry.having(owners or ("ann",), capability)]


async def test_the_registry_follows_instances_as_they_come_change_and_go() -> None:
    directory = InstanceDirectory()
    registry = CapabilityRegistry(directory)
    first, second = uuid4(), uuid4()
    writer = registered("writer", "write", "spell")
    directory.put(first, writer)
    directory.put(second, registered("other", "write", owner="ben"))
    assert (names(registry, "write"), names(registry, "spell")) == (["writer"], ["writer"])
    assert names(registry, "write", "ann", "ben") == ["writer", "other"]
    newer = registered("writer", "write", generation=2, agent_id=writer.agent_id)
    third = uuid4()
    directory.put(third, newer)
    directory.put(uuid4(), registered("writer", "paint", agent_id=writer.agent_id, lane="canary", generation=3))
    assert (names(registry, "spell"), names(registry, "paint")) == ([], [])
    assert registry.was_there(["ann"], "spell")
    assert not registry.was_there(["ben"], "spell")
    directory.put(third, newer.model_copy(update={"state": "draining"}))
    directory.remove(first)
    assert [agent.ready for agent in registry.having(["ann"], "write")] == [0]
    directory.remove(third)
    assert names(registry, "write") == []
    await directory.close()


async def test_of_two_drawn_agents_the_less_busy_one_is_asked_and_the_load_spreads() -> None:
    directory = InstanceDirectory()
    registry = CapabilityRegistry(directory)
    for number in range(10):
        directory.put(uuid4(), registered(f"agent-{number}", "count"))
    random = Random(7)  # noqa: S311 -- the same draw each time
    agents = registry.having(["ann"], "count")
    for _ in range(1000):
        chosen = ranked(agents, lambda agent: registry.latency(agent.agent_id), random).agents[0]
        chosen.instances[0].runs += 1
    given = [agent.active_runs for agent in agents]
    assert sum(given) == 1000
    assert max(given) - min(given) < 10
    slow, quick = agents[:2]
    slow.instances[0].runs = quick.instances[0].runs = 0
    registry.note_latency(slow.agent_id, 2.0)
    registry.note_latency(quick.agent_id, 0.1)
    order = ranked([slow, quick], lambda agent: registry.latency(agent.agent_id), random)
    assert order.agents[0] is quick
    await directory.close()


async def send(runtime: Runtime, capability: str, text: str = "Hello", **more: Any) -> httpx.Response:
    headers = more.pop("headers", {})
    owner = more.pop("owner", None)
    body = {"text": text, **more}
    path = f"/api/v1/capabilities/{capability}/message"
    return await runtime.ask("POST", path, json=body, headers=headers, owner=owner)


async def deliveries(runtime: Runtime, **query: str) -> list[JsonObject]:
    return (await runtime.ask("GET", "/api/v1/capabilities/deliveries", params=query)).json()["items"]


async def test_a_message_to_a_capability_is_answered_by_an_agent_that_has_it(runtime: Runtime) -> None:
    capable = {
        name: await runtime.add_agent(name, capabilities=["translate"] if name != "clerk" else ["file"])
        for name in ("french", "german", "clerk")
    }
    listed = (await runtime.ask("GET", "/api/v1/capabilities")).json()["items"]
    assert [(row["capability"], row["healthy"]) for row in listed] == [("file", 1), ("translate", 2)]
    assert [agent["agent"] for agent in listed[1]["agents"]] == ["french", "german"]
    first = (await send(runtime, "translate", "One")).json()
    assert (first["status"], first["agent"] in {"french", "german"}) == ("completed", True)
    assert first["agent_id"] == str(capable[first["agent"]].agent_id)
    # A conversation stays with its agent, however busy that is.
    for _ in range(3):
        again = (await send(runtime, "translate", "And?", conversation_id=first["conversation_id"])).json()
        assert again["agent"] == first["agent"]
    # The same key is the same run, of the same agent.
    keyed = [(await send(runtime, "translate", headers={"Idempotency-Key": "k"})).json() for _ in range(4)]
    assert len({(one["run_id"], one["agent"]) for one in keyed}) == 1
    other_body = await send(runtime, "translate", "Other", headers={"Idempotency-Key": "k"})
    assert (other_body.status_code, other_body.json()["code"]) == (422, "idempotency_key_reused")
    async with runtime.http.stream(
        "POST", "/api/v1/capabilities/file/message", json={"text": "Hi"},
        headers={**runtime.issuer.person(runtime.owner), "Accept": "text/event-stream"},
    ) as streamed:  # fmt: skip
        events = read_events([line async for line in streamed.aiter_lines()])
    assert (events[0][0], events[0][1]["agent"], events[-1][0]) == ("run", "clerk", "completed")

    async def all_are_logged() -> bool:
        return len(await deliveries(runtime)) == 7

    await eventually(all_are_logged, describe="the deliveries are in the log")
    rows = await deliveries(runtime, capability="translate")
    assert (rows[0]["status"], rows[0]["error"]) == ("refused", "idempotency_key_reused")
    assert [(row["agent"], row["status"]) for row in rows[2:]] == [(first["agent"], "completed")] * 4
    assert rows[2]["why"] == "its conversation is with this one"
    assert rows[5]["why"].startswith("the less busy of 2 drawn from 2 healthy ones")
    assert all(row["routing_ms"] >= 0 and row["latency_ms"] > 0 for row in rows[1:])
    assert len(await deliveries(runtime, agent="clerk")) == 1
    assert (await runtime.ask("GET", "/api/v1/capabilities/deliveries", owner="another")).json()["items"] == []


async def test_what_nobody_can_do_is_told_with_what_somebody_can(runtime: Runtime) -> None:
    worker = await runtime.add_agent("painter", capabilities=["paint"])
    nobody = await send(runtime, "cook")
    assert (nobody.status_code, nobody.json()["code"]) == (404, "capability_not_found")
    assert nobody.json()["capabilities"] == ["paint"]
    assert (await send(runtime, "cook", to="painter")).json()["agent"] == "painter"
    unknown = await send(runtime, "cook", to="nobody")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "agent_not_found")
    stranger = await send(runtime, "paint", owner="another")
    assert (stranger.status_code, stranger.json()["capabilities"]) == (404, [])
    worker.kill()
    await eventually(lambda: not worker.is_alive(), describe="the worker is gone")
    await runtime.register(worker, state="draining")
    away = await send(runtime, "paint")
    assert (away.status_code, away.json()["code"]) == (503, "capability_unavailable")
    assert int(away.headers["Retry-After"]) > 0

    async def refusals_are_logged() -> bool:
        rows = await deliveries(runtime)
        return [row["error"] for row in rows if row["status"] == "refused"] == [
            "capability_unavailable", "agent_not_found", "capability_not_found",
        ]  # fmt: skip

    await eventually(refusals_are_logged, describe="the refusals are in the log")
    assert (await send(runtime, "cook")).status_code == 404

    async def they_are_counted() -> bool:
        rows = await deliveries(runtime, capability="cook")
        return [row["times"] for row in rows if row["error"] == "capability_not_found"] == [2]

    await eventually(they_are_counted, describe="what is refused again is counted on its row")


def test_however_many_are_refused_few_rows_are_written() -> None:
    refused, written = RefusedDeliveries(), dict[UUID, Delivery]()
    at = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
    for number in range(1000):
        code = "capability_not_found"
        refused.add(Delivery("ada", "ann", None, f"c{number}", None, None, None, "", 0, 0, code, 1, created_at=at))
        if number % 7 == 0:
            written |= {row.id: row for row in refused.take()}
    refused.give_back(refused.take())  # what couldn't be written
    written |= {row.id: row for row in refused.take()}
    assert (len(written), sum(row.times for row in written.values())) == (MOST_OF_OWNER + 1, 1000)
    assert written[max(written)].capability == "*"


async def test_an_agent_asks_a_capability_and_never_one_that_waits_for_it(runtime: Runtime) -> None:
    both = [await runtime.add_agent(name, capabilities=["think"]) for name in ("one", "two")]

    async def ask(*hops: UUID, **changes: Any) -> httpx.Response:
        body = {
            "owner_id": runtime.owner, "principal": "ann", "capability": "think", "text": "Why?", "key": uuid4().hex,
            "hops": [str(hop) for hop in hops],
        }  # fmt: skip
        headers = runtime.issuer.service("tools", "runtime")
        return await runtime.http.post("/internal/capabilities/ask", json=body | changes, headers=headers)

    told = [(await ask(both[0].agent_id)).json() for _ in range(4)]
    assert {one["agent"] for one in told} == {"two"}
    going_on = await ask(both[0].agent_id, conversation_id=told[0]["conversation_id"])
    assert going_on.json()["agent"] == "two"
    refused = await ask(*(worker.agent_id for worker in both))
    assert (refused.status_code, refused.json()["code"]) == (409, "agent_loop")
    foreign = await ask(both[1].agent_id, conversation_id=told[0]["conversation_id"])
    assert (foreign.status_code, foreign.json()["code"]) == (404, "conversation_not_found")


async def test_what_asked_a_capability_is_cancelled_or_goes_on_with_what_answers_it(
    runtime: Runtime, siblings: RuntimeSiblings, model: ModelServer, database_url: str
) -> None:
    names = ("ask_capability", "mail.send")
    siblings.tools = [ToolDefinition(name=name, description="-", input_schema={"type": "object"}) for name in names]
    siblings.gated = {"mail.send"}
    await runtime.add_agent("leader", system_prompt="I ask.", tools={"allow": ["ask_capability"]})
    await runtime.add_agent("writer", system_prompt="I write.", tools={"allow": ["mail.*"]}, capabilities=["mail"])
    gate = Gate()

    async def invoke(call: InvokeToolRequest) -> ToolCallResult:
        if call.name != "ask_capability":
            return ToolCallResult(content="sent")
        body = {
            "owner_id": call.owner_id, "principal": call.principal, "capability": "mail", "text": "Go",
            "key": call.idempotency_key, "run_id": str(call.run_id), "hops": [str(hop) for hop in call.hops],
            "awaited_run": call.awaited_run and str(call.awaited_run),
        }  # fmt: skip
        headers = runtime.issuer.service("tools", "runtime")
        told = (await runtime.http.post("/internal/capabilities/ask", json=body, headers=headers)).json()
        if told["status"] == "waiting_approval":
            raise AnswerLater(UUID(told["run_id"]))
        return ToolCallResult(content=told["text"])

    async def call_a_tool(request: ModelRequest) -> Reply:
        last = request.messages[-1]
        if last["content"] == "Hold":
            await gate.hold()
        if last["role"] == "tool" or last["content"] == "Hold":
            return Reply(f"done: {last['content']}")
        asks = request.messages[0]["content"] == "I ask."
        return Reply(tool_calls=(ToolCall("ask_capability" if asks else "mail_send"),))

    async def waiting() -> JsonObject:
        sent = await runtime.send("Tea", agent="leader")
        assert sent.status_code == 202, sent.text
        return sent.json()

    siblings.invoke = invoke
    model.answer_with(call_a_tool)
    told = await waiting()
    await runtime.ask("POST", f"/api/v1/runs/{told['run_id']}/cancel")
    assert (await runtime.ended(str(siblings.pending[-1].call.run_id)))["status"] == "cancelled"
    # However many were taken up and have yet to ask again, the others go on, too.
    held = asyncio.create_task(runtime.send("Hold", agent="leader"))
    await gate.wait_reached()
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        taken_up = """
        INSERT INTO runtime.tool_calls (run_id, tool_call_id, state, idempotency_key, name, arguments, awaited_run_id)
        SELECT id, number, 'waiting', id || '/' || number, 'ask_capability', '{}', lpad(number::text, 32, '0')::uuid
        FROM runtime.runs, generate_series(1, 100) AS number WHERE owner_id = %s AND status = 'running'
        """
        assert (await connection.execute(taken_up, (runtime.owner,))).rowcount == 100
    told = await waiting()
    siblings.pending[-1].status = "approved"
    assert (await runtime.ended(told["run_id"]))["text"] == "done: done: sent"
    gate.open()
    assert (await held).status_code == 200
