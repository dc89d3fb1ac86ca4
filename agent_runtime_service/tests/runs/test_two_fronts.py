"""Two fronts over one database and one worker: whichever is asked, and whichever is killed, the runs are the same."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from agent_runtime_service.settings import RuntimeSettings
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.testing.model_server import ModelRequest, ModelServer, Reply, ToolCall
from kgents_shared.testing.plain_http import PLAIN
from kgents_shared.testing.polling import eventually
from kgents_shared.testing.tokens import TokenIssuer
from tests.external.running_runtime import (
    JsonObject,
    RunningFront,
    ServerEvent,
    Worker,
    read_events,
    running_front,
)
from tests.external.runtime_process import FrontNursery, RuntimeProcess
from tests.external.runtime_siblings import Gate
from tests.external.worker_nursery import WorkerNursery

MESSAGES = 32


@dataclass
class Stage:
    """A front in a process of its own, which can be killed, and one in this; an agent with one worker; and a person."""

    fronts: tuple[RuntimeProcess, RunningFront]
    issuer: TokenIssuer
    owner: str

    async def ask(self, front: int, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {**self.issuer.person(self.owner), **more.pop("headers", {})}
        async with httpx.AsyncClient(base_url=self.fronts[front].url, timeout=60, verify=PLAIN) as client:
            return await client.request(method, f"/api/v1{path}", headers=headers, **more)

    async def begin(self, front: int, text: str, conversation_id: str | None = None, **more: Any) -> JsonObject:
        body = {"text": text} | ({"conversation_id": conversation_id} if conversation_id else {})
        answer = await self.ask(front, "POST", "/agents/helper/runs", json=body, **more)
        assert answer.status_code == 202, answer.text
        return answer.json()

    async def ended(self, front: int, run_id: str) -> JsonObject:
        async def found() -> JsonObject | None:
            run = (await self.ask(front, "GET", f"/runs/{run_id}")).json()
            return run if run["ended_at"] else None

        run = await eventually(found, describe="the run ends", retry_on=(httpx.TransportError,))
        assert run is not None
        return run

    async def watch(self, front: int, run_id: str, behind: str | None = None) -> list[ServerEvent]:
        headers = self.issuer.person(self.owner) | ({"Last-Event-ID": behind} if behind else {})
        url, lines = f"{self.fronts[front].url}/api/v1/runs/{run_id}/events", list[str]()
        async with (
            httpx.AsyncClient(timeout=60, verify=PLAIN) as client,
            client.stream("GET", url, headers=headers) as answer,
        ):
            assert answer.status_code == 200, await answer.aread()
            try:
                async for line in answer.aiter_lines():
                    lines.append(line)
            except httpx.TransportError:
                pass  # the front was killed: what was heard until then counts
        return read_events(lines)


@pytest.fixture
async def stage(
    make_settings: Callable[..., RuntimeSettings],
    issuer: TokenIssuer,
    nursery: WorkerNursery,
    front_nursery: FrontNursery,
) -> AsyncGenerator[Stage]:
    owner = f"owner-{uuid4().hex}"
    spec = AgentSpec.model_validate({"name": "helper", "system_prompt": "Help.", "tools": {"allow": ["time.*"]}})
    with tempfile.TemporaryDirectory(prefix="kg") as folder:
        doors = [Path(folder) / name for name in ("one.sock", "two.sock")]
        first, second = (make_settings(door_url=f"unix:{door}") for door in doors)
        async with (
            RuntimeProcess(front_nursery, first, issuer, doors[0]) as one,
            running_front(second, issuer.identity, doors[1]) as two,
        ):
            worker = Worker(Path(folder), doors[0], owner, spec)
            await worker.start(nursery)
            found = Stage((one, two), issuer, owner)
            for front in found.fronts:  # the second one learns of it sooner than from the table
                async with httpx.AsyncClient(base_url=front.url, timeout=60, verify=PLAIN) as client:
                    answer = await client.put(
                        f"/internal/instances/{worker.instance_id}",
                        content=worker.registration().model_dump_json(),
                        headers={**issuer.service("deployment", "runtime"), "Content-Type": "application/json"},
                    )
                    assert answer.status_code == 204, answer.text
            try:
                yield found
            finally:
                worker.kill()


async def test_whichever_front_is_asked_and_whichever_is_killed_the_runs_are_the_same(
    stage: Stage, model: ModelServer, database_url: str
):
    await watched_and_cancelled_where_it_is_not_driven(stage, model)
    await an_answer_is_heard_in_pieces_where_it_is_not_driven(stage, model)
    await each_message_has_its_turn_though_a_front_is_killed(stage, model, database_url)


async def watched_and_cancelled_where_it_is_not_driven(stage: Stage, model: ModelServer) -> None:
    gate = Gate()

    async def held(_: ModelRequest) -> Reply:
        await gate.hold()
        return Reply(text="Done.")

    model.script(Reply(tool_calls=(ToolCall("time_now"),)), held)
    begun = await stage.begin(0, "Hello")
    watching = asyncio.create_task(stage.watch(1, begun["run_id"]))
    await gate.wait_reached()
    queued = await stage.begin(1, "And then?", begun["conversation_id"])
    cancelled = await stage.ask(1, "POST", f"/runs/{begun['run_id']}/cancel")
    assert cancelled.json()["status"] == "cancelled"
    await gate.wait_left()  # the front that drove it has broken its call of the model off
    names = [name for name, _, _ in await watching]
    assert names == ["run", "step", "step", "cancelled"]
    assert (await stage.ended(0, queued["run_id"]))["text"] == "You said: And then? [2 messages seen]"
    spent = (await stage.ended(0, begun["run_id"]))["usage"]
    assert spent["model_calls"] == 2


async def an_answer_is_heard_in_pieces_where_it_is_not_driven(stage: Stage, model: ModelServer) -> None:
    gate = Gate()

    text = " ".join(str(number) for number in range(25))

    async def held(_: ModelRequest) -> Reply:
        await gate.hold()
        return Reply(text=text, between_s=0.05)

    model.script(held)
    begun = await stage.begin(0, "Hello")
    await gate.wait_reached()
    watching = asyncio.create_task(stage.watch(1, begun["run_id"]))
    elsewhere = stage.fronts[1].app.state.run_watch.elsewhere
    await eventually(lambda: UUID(begun["run_id"]) in elsewhere._watched, describe="somebody watches")
    gate.open()
    await eventually(lambda: any(one.feed._said for one in elsewhere._watched.values()), describe="pieces come over")
    late = await stage.watch(1, begun["run_id"])
    for heard in (await watching, late):
        last_reset = max((place for place, (name, _, _) in enumerate(heard) if name == "reset"), default=0)
        told = "".join(data["text"] for name, data, _ in heard[last_reset:] if name == "delta")
        assert (text.startswith(told), heard[-1][0], heard[-1][1]["text"]) == (True, "completed", text)
    assert "delta" in [name for name, _, _ in await watching]
    await eventually(lambda: not elsewhere._watched, describe="nobody watches any more")


async def each_message_has_its_turn_though_a_front_is_killed(
    stage: Stage, model: ModelServer, database_url: str
) -> None:
    first = await stage.begin(0, "start")
    await stage.ended(0, first["run_id"])
    conversation = first["conversation_id"]
    model.answer_with(lambda request: Reply(text=f"{request.last_user_text}/{len(request.messages)}", before_s=0.02))
    texts = [f"m{number}" for number in range(MESSAGES)]
    begun = await asyncio.gather(
        *(
            stage.begin(place % 2, text, conversation, headers={"Idempotency-Key": text})
            for place, text in enumerate(texts)
        )
    )
    await stage.fronts[0].kill()
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:

        async def all_ended() -> bool:
            query = "SELECT bool_and(ended_at IS NOT NULL) FROM runtime.runs WHERE conversation_id = %s"
            return await (await connection.execute(query, (conversation,))).fetchone() == (True,)

        await eventually(all_ended, timeout=60, interval=0.2, describe="every run ends")
    again = await asyncio.gather(
        *(stage.begin(1, text, conversation, headers={"Idempotency-Key": text}) for text in texts)
    )
    assert [run["run_id"] for run in again] == [run["run_id"] for run in begun]
    assert {run["status"] for run in again} == {"completed"}
    page = (await stage.ask(1, "GET", f"/conversations/{conversation}/messages", params={"limit": "1000"})).json()
    said = [(row["role"], row["text"]) for row in page["items"]][2:]
    assert sorted(text for role, text in said if role == "user") == sorted(texts)
    for place in range(MESSAGES):
        (asked, text), (answered, answer) = said[2 * place : 2 * place + 2]
        assert (asked, answered, answer) == ("user", "assistant", f"{text}/{2 * place + 4}")
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        cursor = await connection.execute(
            "SELECT count(*), count(DISTINCT idempotency_key) FROM runtime.runs WHERE conversation_id = %s",
            (conversation,),
        )
        assert await cursor.fetchone() == (MESSAGES + 1, MESSAGES)
