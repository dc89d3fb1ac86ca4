"""kill -9 of a worker at every point of a run: it goes on after the last stored step, and no completed step twice."""

import asyncio
import signal
from decimal import Decimal
from typing import Any

import httpx
import psycopg
import pytest

from kgents_shared.contracts.deployments import OUT_OF_MEMORY
from kgents_shared.contracts.tools import InvokeToolRequest
from kgents_shared.contracts.worker import ToolCallResult
from kgents_shared.testing.model_server import ModelRequest, ModelServer, Reply, ToolCall
from kgents_shared.testing.plain_http import PLAIN
from kgents_shared.testing.polling import eventually
from tests.external.running_runtime import Runtime, Worker
from tests.external.runtime_siblings import Gate, RuntimeSiblings

TOOLS: dict[str, Any] = {"tools": {"allow": ["time.*"]}}
PRICE = "/api/v1/models/prices/openai/fake-model"


async def replace(runtime: Runtime, worker: Worker) -> None:
    """Kill the worker and start another at the same place, as its supervisor does."""
    worker.kill()
    await eventually(lambda: not worker.is_alive(), describe="the worker is gone")
    await worker.start(runtime.nursery)


async def test_a_worker_killed_while_the_model_thinks_is_replaced_and_the_run_completes(
    runtime: Runtime, model: ModelServer
):
    worker = await runtime.add_agent()
    gate = Gate()

    async def held(_: ModelRequest) -> Reply:
        await gate.hold()
        return Reply(text="never heard")

    model.script(held)
    sending = asyncio.create_task(runtime.say("Hello"))
    await gate.wait_reached()
    await replace(runtime, worker)
    answer = await sending
    gate.open()
    assert answer["text"] == "You said: Hello [2 messages seen]"
    assert await runtime.transcript(answer["conversation_id"]) == [("user", "Hello"), ("assistant", answer["text"])]


async def test_a_worker_killed_during_a_tool_call_sends_it_again_under_the_same_key(
    runtime: Runtime, siblings: RuntimeSiblings, model: ModelServer, database_url: str
):
    siblings.prices = {"time.now": {"amount": "0.03", "currency": "USD"}}
    await runtime.ask("PUT", PRICE, json={"input": "0", "output": "0"})
    worker = await runtime.add_agent(limits={"max_cost_per_day": "0.05"}, **TOOLS)
    gate = Gate()

    async def held(request: InvokeToolRequest) -> ToolCallResult:
        await gate.hold()
        return ToolCallResult(content=f"done {request.tool_call_id}")

    siblings.invoke = held
    sending = asyncio.create_task(runtime.say("call time.now"))
    await gate.wait_reached()
    [run] = runtime.front.app.state.run_watch.runs.all()
    worker.kill()
    await eventually(lambda: not run.door_calls, describe="nobody waits for the tool any more")
    gate.open()
    await eventually(lambda: siblings.effects, describe="the tool took effect")
    await worker.start(runtime.nursery)
    answer = await sending
    await runtime.ask("DELETE", PRICE)
    assert len(siblings.effects) == 1
    # It is counted once, and a budget that has no room for two of it keeps nobody from its answer.
    assert answer["text"].startswith("The tool answered: done")

    async def paid() -> list[Decimal]:
        async with await psycopg.AsyncConnection.connect(database_url) as connection:
            mine = "SELECT cost FROM runtime.model_calls WHERE owner_id = %s AND purpose = 'tool'"
            return [row[0] for row in await (await connection.execute(mine, (runtime.owner,))).fetchall()]

    assert await eventually(paid, describe="it is written down") == [Decimal("0.03")]
    assert len({call.idempotency_key for call in siblings.invocations}) == 1
    assert [role for role, _ in await runtime.transcript(answer["conversation_id"])] == [
        "user", "assistant", "tool", "assistant",
    ]  # fmt: skip
    assert len(model.completions) == 2


async def test_a_worker_killed_after_a_tool_call_does_not_make_it_again(
    runtime: Runtime, siblings: RuntimeSiblings, model: ModelServer
):
    worker = await runtime.add_agent(**TOOLS)
    gate = Gate()

    async def held(_: ModelRequest) -> Reply:
        await gate.hold()
        return Reply(text="never heard")

    model.script(Reply(tool_calls=(ToolCall("time_now"),)), held)
    sending = asyncio.create_task(runtime.say("Hello"))
    await gate.wait_reached()
    await replace(runtime, worker)
    answer = await sending
    gate.open()
    assert len(siblings.invocations) == 1
    assert answer["text"].startswith("The tool answered: ")
    assert [role for role, _ in await runtime.transcript(answer["conversation_id"])] == [
        "user", "assistant", "tool", "assistant",
    ]  # fmt: skip


async def test_a_run_that_gets_further_each_time_may_lose_any_number_of_workers(
    runtime: Runtime, model: ModelServer, siblings: RuntimeSiblings
):
    worker = await runtime.add_agent(**TOOLS)
    deaths: list[asyncio.Task[None]] = []

    async def deadly(_: ModelRequest) -> Reply:
        deaths.append(asyncio.create_task(replace(runtime, worker)))
        await asyncio.Event().wait()
        return Reply(text="never heard")

    step = Reply(tool_calls=(ToolCall("time_now"),))
    model.script(deadly, step, deadly, step, deadly, step, deadly, "Done at last.")
    answer = await runtime.say("Hello")
    assert (answer["text"], len(deaths), len(siblings.invocations)) == ("Done at last.", 4, 3)


@pytest.mark.parametrize(
    ("why", "code", "told"),
    [
        (None, "worker_lost", "was lost again and again during this run."),
        ("it was killed by SIGSEGV", "worker_lost", "during this run: it was killed by SIGSEGV."),
        (OUT_OF_MEMORY, "worker_out_of_memory", "it used more memory than its limit allows (limits.memory_mb)."),
    ],
    ids=["unknown", "killed", "memory"],
)
async def test_a_worker_that_dies_again_and_again_fails_the_run(
    runtime: Runtime, model: ModelServer, siblings: RuntimeSiblings, why: str | None, code: str, told: str
):
    siblings.last_error = why
    worker = await runtime.add_agent()
    # Tasks of their own: the model server ends a request whose client is gone.
    deaths: list[asyncio.Task[None]] = []

    async def deadly(_: ModelRequest) -> Reply:
        deaths.append(asyncio.create_task(replace(runtime, worker)))
        await asyncio.Event().wait()
        return Reply(text="never heard")

    model.answer_with(deadly)
    answer = await runtime.send("Hello")
    assert answer.status_code == 503
    assert answer.json()["code"] == code
    assert told in answer.json()["detail"]
    await asyncio.gather(*deaths)
    assert len(deaths) == 3
    model.reset()
    assert (await runtime.say("Hello"))["status"] == "completed"


async def test_without_a_new_worker_the_run_fails_within_its_time(runtime: Runtime, model: ModelServer):
    worker = await runtime.add_agent(limits={"timeout_s": 2})
    gate = Gate()

    async def held(_: ModelRequest) -> Reply:
        await gate.hold()
        return Reply(text="never heard")

    model.script(held)
    sending = asyncio.create_task(runtime.send("Hello"))
    await gate.wait_reached()
    worker.kill()
    answer = await sending
    gate.open()
    assert answer.status_code == 503
    assert answer.json()["code"] == "agent_unavailable"


async def test_a_dead_instance_is_not_given_messages_while_another_is_well(runtime: Runtime):
    worker = await runtime.add_agent()
    await runtime.say("Hello")
    second = Worker(runtime.folder, worker.door_path, runtime.owner, worker.spec, agent_id=worker.agent_id)
    runtime.workers.append(second)
    await second.start(runtime.nursery)
    await runtime.register(second)
    worker.kill()
    answers = await asyncio.gather(*(runtime.say("Hello") for _ in range(5)))
    assert {answer["status"] for answer in answers} == {"completed"}


async def test_a_worker_that_stands_still_ends_with_the_runs_deadline(runtime: Runtime):
    worker = await runtime.add_agent(limits={"timeout_s": 1})
    await runtime.say("Hello")
    worker.kill(signal.SIGSTOP)
    answer = await runtime.send("Hello")
    worker.kill(signal.SIGCONT)
    assert answer.status_code == 504
    assert answer.json()["code"] == "deadline_exceeded"


async def test_a_client_that_goes_away_does_not_end_its_run(runtime: Runtime, model: ModelServer, database_url: str):
    await runtime.add_agent()
    gate = Gate()

    async def held(_: ModelRequest) -> Reply:
        await gate.hold()
        return Reply(text="heard by nobody")

    model.script(held)
    async with httpx.AsyncClient(base_url=runtime.front.url, timeout=60, verify=PLAIN) as leaving:
        path, headers = "/api/v1/agents/helper/message", runtime.issuer.person(runtime.owner)
        sending = asyncio.create_task(leaving.post(path, json={"text": "Hello"}, headers=headers))
        await gate.wait_reached()
        sending.cancel()
    gate.open()

    async def completed() -> bool:
        async with await psycopg.AsyncConnection.connect(database_url) as connection:
            cursor = await connection.execute("SELECT status FROM runtime.runs WHERE owner_id = %s", (runtime.owner,))
            return await cursor.fetchall() == [("completed",)]

    await eventually(completed, describe="the run completes")


async def test_a_draining_instance_takes_no_new_run_and_ends_its_own(runtime: Runtime, model: ModelServer):
    worker = await runtime.add_agent()
    gate = Gate()

    async def held(_: ModelRequest) -> Reply:
        await gate.hold()
        return Reply(text="the old one's last words")

    model.script(held)
    sending = asyncio.create_task(runtime.say("Hello"))
    await gate.wait_reached()
    newer = Worker(
        runtime.folder, worker.door_path, runtime.owner, worker.spec,
        agent_id=worker.agent_id, version=2, generation=2,
    )  # fmt: skip
    runtime.workers.append(newer)
    await newer.start(runtime.nursery)
    await runtime.register(newer)
    await runtime.register(worker, state="draining")
    second = await runtime.say("Hello")
    assert (await runtime.run(second["run_id"]))["version"] == 2
    worker.kill(signal.SIGTERM)
    gate.open()
    assert (await sending)["text"] == "the old one's last words"
    await eventually(lambda: not worker.is_alive(), describe="the drained worker ends")
    assert worker.log_lines()[-1]["event"] == "worker_stopped"
