"""kill -9 of a front: another one takes its runs over and ends them, and no completed step runs twice."""

import asyncio
import signal
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from agent_runtime_service.settings import RuntimeSettings
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.tools import InvokeToolRequest
from kgents_shared.contracts.worker import ToolCallResult
from kgents_shared.testing.model_server import ModelRequest, ModelServer, NeverAnswers, Reply, ToolCall
from kgents_shared.testing.plain_http import PLAIN
from kgents_shared.testing.polling import eventually
from kgents_shared.testing.tokens import TokenIssuer
from tests.external.running_runtime import Worker
from tests.external.runtime_process import FrontNursery, RuntimeProcess
from tests.external.runtime_siblings import Gate, RuntimeSiblings
from tests.external.worker_nursery import WorkerNursery


@dataclass
class Stage:
    """A front that can be killed, one agent with a worker, and a person."""

    front: RuntimeProcess
    worker: Worker
    issuer: TokenIssuer
    owner: str

    async def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {**self.issuer.person(self.owner), **more.pop("headers", {})}
        async with httpx.AsyncClient(base_url=self.front.url, timeout=60, verify=PLAIN) as client:
            return await client.request(method, path, headers=headers, **more)

    async def send(self, text: str, key: str, conversation_id: str | None = None) -> httpx.Response:
        body = {"text": text} | ({"conversation_id": conversation_id} if conversation_id else {})
        headers = {"Idempotency-Key": key}
        return await self.request("POST", "/api/v1/agents/helper/message", json=body, headers=headers)

    async def until_answered(self, text: str, key: str, conversation_id: str | None = None) -> dict[str, Any]:
        async def answered() -> dict[str, Any] | None:
            answer = await self.send(text, key, conversation_id)
            assert answer.status_code in {200, 404, 503}, answer.text
            return answer.json() if answer.status_code == 200 else None

        found = await eventually(answered, interval=0.1, retry_on=(httpx.TransportError,))
        assert found is not None
        return found


SetStage = Callable[[RuntimeSettings], AbstractAsyncContextManager[Stage]]


@pytest.fixture
def set_stage(issuer: TokenIssuer, nursery: WorkerNursery, front_nursery: FrontNursery) -> SetStage:
    return lambda settings: _stage(settings, issuer, nursery, front_nursery)


@pytest.fixture
async def stage(make_settings: Callable[..., RuntimeSettings], set_stage: SetStage) -> AsyncGenerator[Stage]:
    async with set_stage(make_settings()) as opened:
        yield opened


@asynccontextmanager
async def _stage(
    settings: RuntimeSettings, issuer: TokenIssuer, nursery: WorkerNursery, front_nursery: FrontNursery
) -> AsyncGenerator[Stage]:
    owner = f"owner-{uuid4().hex}"
    spec = AgentSpec.model_validate({"name": "helper", "system_prompt": "Help.", "tools": {"allow": ["time.*"]}})
    with tempfile.TemporaryDirectory(prefix="kg") as folder:
        door = Path(folder) / "door.sock"
        async with RuntimeProcess(front_nursery, settings, issuer, door) as front:
            worker = Worker(Path(folder), door, owner, spec)
            await worker.start(nursery)
            async with httpx.AsyncClient(base_url=front.url, timeout=60, verify=PLAIN) as client:
                answer = await client.put(
                    f"/internal/instances/{worker.instance_id}",
                    content=worker.registration().model_dump_json(),
                    headers={**issuer.service("deployment", "runtime"), "Content-Type": "application/json"},
                )
                assert answer.status_code == 204, answer.text
            try:
                yield Stage(front, worker, issuer, owner)
            finally:
                worker.kill()


async def _lost(sending: "asyncio.Task[httpx.Response]") -> None:
    with pytest.raises(httpx.TransportError):
        await sending


async def test_a_run_whose_front_was_killed_is_ended_by_the_next_one(stage: Stage, model: ModelServer):
    gate = Gate()

    async def held(_: ModelRequest) -> Reply:
        await gate.hold()
        return Reply(text="never heard")

    model.script(held)
    sending = asyncio.create_task(stage.send("Hello", "key-1"))
    await gate.wait_reached()
    await stage.front.kill()
    await _lost(sending)
    await stage.front.start()
    answer = await stage.until_answered("Hello", "key-1")
    gate.open()
    assert answer["text"] == "You said: Hello [2 messages seen]"
    again = await stage.until_answered("Again", "key-2", answer["conversation_id"])
    assert again["text"] == "You said: Again [4 messages seen]"


async def test_a_budget_holds_over_the_death_of_a_front_that_was_spending_it(
    make_settings: Callable[..., RuntimeSettings], set_stage: SetStage, model: ModelServer
):
    gate = Gate()

    async def held(_: ModelRequest) -> Reply:
        await gate.hold()
        return Reply("never heard", prompt_tokens=100, completion_tokens=100)

    model.answer_with(lambda _: Reply("Hello.", prompt_tokens=100, completion_tokens=100))
    async with set_stage(make_settings(budget_allotment_s=1.0)) as stage:
        new = {"scope": "user", "window": "total", "max_tokens": 7000}
        budget = (await stage.request("PUT", "/api/v1/budgets", json=new)).json()
        await stage.until_answered("Hello", "key-1")
        model.script(held)
        sending = asyncio.create_task(stage.send("Hello", "key-2"))
        await gate.wait_reached()
        await stage.front.kill()
        await _lost(sending)
        await stage.front.start()
        gate.open()

        async def written_off() -> bool:
            told = (await stage.request("GET", f"/api/v1/budgets/{budget['id']}")).json()
            return told["lost"]["tokens"] > 0

        await eventually(written_off, describe="what the dead front held counts as spent")
        await stage.until_answered("Hello", "key-2")  # another one took it up
        answers = [await stage.send("Hello", "key-3")]
        while answers[-1].status_code == 200:
            answers.append(await stage.send("Hello", f"key-{len(answers) + 3}"))
        assert (answers[-1].status_code, answers[-1].json()["code"]) == (429, "budget_exhausted")
        # Every request that reached the model took 200 tokens, the one whose answer nobody heard too.
        assert 1000 < 200 * len(model.completions) <= 7000


async def test_a_front_killed_during_a_tool_call_sends_it_again_under_the_same_key(
    stage: Stage, model: ModelServer, siblings: RuntimeSiblings
):
    gate = Gate()

    async def held(_: InvokeToolRequest) -> ToolCallResult:
        await gate.hold()
        return ToolCallResult(content="done")

    siblings.invoke = held
    model.script(Reply(tool_calls=(ToolCall("time_now"),)))
    sending = asyncio.create_task(stage.send("Hello", "key-1"))
    await gate.wait_reached()
    await stage.front.kill()
    await _lost(sending)
    gate.open()
    await stage.front.start()
    answer = await stage.until_answered("Hello", "key-1")
    assert answer["text"] == "The tool answered: done [4 messages seen]"
    assert len({call.idempotency_key for call in siblings.invocations}) == 1
    assert len(model.completions) == 2


async def test_a_front_killed_after_a_tool_call_does_not_make_it_again(
    stage: Stage, model: ModelServer, siblings: RuntimeSiblings
):
    gate = Gate()

    async def held(_: ModelRequest) -> Reply:
        await gate.hold()
        return Reply(text="never heard")

    model.script(Reply(tool_calls=(ToolCall("time_now"),)), held)
    sending = asyncio.create_task(stage.send("Hello", "key-1"))
    await gate.wait_reached()
    await stage.front.kill()
    await _lost(sending)
    await stage.front.start()
    answer = await stage.until_answered("Hello", "key-1")
    gate.open()
    assert answer["text"].startswith("The tool answered: ")
    assert len(siblings.invocations) == 1


async def test_queued_messages_of_a_killed_front_are_answered_too_and_in_order(
    stage: Stage, model: ModelServer, database_url: str
):
    first = await stage.until_answered("first", "key-0")
    gate = Gate()

    async def held(_: ModelRequest) -> Reply:
        await gate.hold()
        return Reply(text="never heard")

    model.script(held)
    sending = [asyncio.create_task(stage.send("second", "key-1", first["conversation_id"]))]
    await gate.wait_reached()
    sending.append(asyncio.create_task(stage.send("third", "key-2", first["conversation_id"])))

    async def queued() -> bool:
        async with await psycopg.AsyncConnection.connect(database_url) as connection:
            cursor = await connection.execute("SELECT status FROM runtime.runs WHERE owner_id = %s", (stage.owner,))
            return ("queued",) in await cursor.fetchall()

    await eventually(queued, describe="the third message is queued")
    await stage.front.kill()
    for task in sending:
        await _lost(task)
    await stage.front.start()
    third = await stage.until_answered("third", "key-2", first["conversation_id"])
    second = await stage.until_answered("second", "key-1", first["conversation_id"])
    gate.open()
    assert {second["text"], third["text"]} == {
        "You said: second [4 messages seen]",
        "You said: third [6 messages seen]",
    }


async def test_what_a_queued_message_asks_for_beside_its_text_outlives_its_front(
    stage: Stage, model: ModelServer, database_url: str
):
    """A picture, and the form of the answer."""
    where = (await stage.until_answered("first", "key-0"))["conversation_id"]
    model.script(NeverAnswers(), "second", '{"colour": "red"}')
    sending = [asyncio.create_task(stage.send("second", "key-1", where))]
    await eventually(lambda: model.in_flight == 1, describe="the second message is under way")
    body = {
        "text": "third",
        "conversation_id": where,
        "images": [{"media_type": "image/gif", "data": "R0lGODlhAQABAAAAACwAAAAAAQABAAACADs="}],
        "response_format": {"type": "json_schema", "schema": {"type": "object", "required": ["colour"]}},
    }
    path, key = "/api/v1/agents/helper/message", {"Idempotency-Key": "key-2"}
    sending.append(asyncio.create_task(stage.request("POST", path, json=body, headers=key)))

    async def queued() -> bool:
        async with await psycopg.AsyncConnection.connect(database_url) as connection:
            cursor = await connection.execute("SELECT status FROM runtime.runs WHERE owner_id = %s", (stage.owner,))
            return ("queued",) in await cursor.fetchall()

    await eventually(queued, describe="the third message is queued")
    await stage.front.kill()
    for task in sending:
        await _lost(task)
    await stage.front.start()

    async def answered() -> dict[str, Any] | None:
        answer = await stage.request("POST", path, json=body, headers=key)
        return answer.json() if answer.status_code == 200 else None

    found = await eventually(answered, interval=0.1, retry_on=(httpx.TransportError,))
    assert found is not None
    assert found["output"] == {"colour": "red"}
    asked = model.completions[-1].raw
    assert b"data:image/gif;base64,R0lG" in asked
    assert b'"colour"' in asked
    another = body | {"images": []}
    refused = await stage.request("POST", path, json=another, headers=key)
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_front_that_is_stopped_lets_its_runs_go_at_once(stage: Stage, model: ModelServer):
    gate = Gate()

    async def held(_: ModelRequest) -> Reply:
        await gate.hold()
        return Reply(text="never heard")

    model.script(held)
    sending = asyncio.create_task(stage.send("Hello", "key-1"))
    await gate.wait_reached()
    await stage.front.kill(signal.SIGTERM)
    await asyncio.gather(sending, return_exceptions=True)
    await stage.front.start()
    assert (await stage.until_answered("Hello", "key-1"))["text"] == "You said: Hello [2 messages seen]"
    gate.open()


async def test_a_run_that_waits_for_an_approval_survives_its_front(
    stage: Stage, model: ModelServer, siblings: RuntimeSiblings
):
    siblings.gated.add("time.now")
    model.script(Reply(tool_calls=(ToolCall("time_now"),)))
    told = await stage.send("Hello", "key-1")
    assert told.status_code == 202, told.text
    await stage.front.kill()
    [approval] = siblings.pending
    approval.status = "approved"
    await stage.front.start()

    async def completed() -> bool:
        run = await stage.request("GET", f"/api/v1/runs/{told.json()['run_id']}")
        return run.status_code == 200 and run.json()["status"] == "completed"

    await eventually(completed, retry_on=(httpx.TransportError,), describe="the run goes on")
    answer = await stage.until_answered("Hello", "key-1")
    assert answer["text"] == "The tool answered: time.now {} [4 messages seen]"
    assert (len(siblings.effects), len(model.completions)) == (1, 2)
