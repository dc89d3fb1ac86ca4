"""A sandbox whose code does what it likes, as the front hears it: its words harm its own run and nothing else."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import orjson
import psycopg
import pytest
from aiohttp import web

from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.testing.polling import eventually
from tests.external.running_runtime import Runtime, Worker

Says = Callable[[bytes], AbstractAsyncContextManager[None]]


@pytest.fixture
def worker_says(runtime: Runtime) -> Says:
    """`async with worker_says(b"…")`: an agent `helper` whose worker answers every run with these bytes."""

    @asynccontextmanager
    async def says(answer: bytes) -> AsyncGenerator[None]:
        spec = AgentSpec(name="helper", system_prompt="x")
        worker = Worker(runtime.folder, runtime.front.door_path, runtime.owner, spec)

        async def answered(request: web.Request) -> web.Response:
            await request.read()
            return web.Response(body=answer, content_type="application/x-ndjson")

        app = web.Application(client_max_size=2**25)
        app.router.add_post("/runs", answered)
        app.router.add_get("/health", answered)
        runner = web.AppRunner(app, shutdown_timeout=0.2)
        await runner.setup()
        await web.UnixSite(runner, worker.socket_path).start()
        await runtime.register(worker)
        try:
            yield
        finally:
            await runner.cleanup()

    return says


def _line(**event: Any) -> bytes:
    return orjson.dumps(event) + b"\n"


async def test_a_failure_of_megabytes_is_short_and_its_event_still_goes_out(
    runtime: Runtime, worker_says: Says, database_url: str
):
    # NATS takes events of one megabyte, and those of everybody wait behind one that it refuses.
    failure = _line(type="failed", code="x" * 2_000_000, detail="y" * 2_000_000, status=418)
    async with worker_says(failure):
        answer = await runtime.send("Hello")
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (418, "worker_failed")
    assert len(problem["detail"]) == 2000

    async def is_out() -> bool:
        async with await psycopg.AsyncConnection.connect(database_url) as connection:
            query = "SELECT 1 FROM runtime.outbox WHERE body->>'subject' = %s"
            return await (await connection.execute(query, (problem["run_id"],))).fetchone() is None

    await eventually(is_out, describe="the event is published")


@pytest.mark.parametrize("code", ["a\nb", "Ünlaut", "", "\x1b[2J", "x" * 65])
async def test_a_code_that_is_none_is_not_passed_on(runtime: Runtime, worker_says: Says, code: str):
    async with worker_says(_line(type="failed", code=code, detail="d", status=9999)):
        answer = await runtime.send("Hello")
    assert (answer.status_code, answer.json()["code"]) == (502, "worker_failed")


async def test_an_answer_with_a_nul_can_be_read_again(runtime: Runtime, worker_says: Says):
    async with worker_says(_line(type="final", text="a\x00b")):
        answer = await runtime.send("Hello")
    assert answer.json()["text"] == "a\ufffdb"
    stored = await runtime.ask("GET", f"/api/v1/runs/{answer.json()['run_id']}")
    assert (stored.status_code, stored.json()["text"]) == (200, "a\ufffdb")


@pytest.mark.parametrize(
    "answer",
    [
        b"[]\n",
        b"1\n",
        b"{}\n",
        b"\n",
        _line(type="final"),
        _line(type="failed", code="x", detail="d", status="x"),
        b"x" * 1000,
    ],
    ids=repr,
)
async def test_words_that_mean_nothing_are_a_lost_worker(runtime: Runtime, worker_says: Says, answer: bytes):
    async with worker_says(answer):
        told = await runtime.send("Hello")
    assert (told.status_code, told.json()["code"]) == (503, "worker_lost")


async def test_a_piece_of_a_step_that_is_stored_already_is_not_taken_for_the_next(runtime: Runtime, worker_says: Says):
    late = _line(type="delta", text="late", step=0) + _line(type="delta", text="in time", step=1)
    async with worker_says(late + _line(type="final", text="in time")):
        events = await runtime.stream("Hello")
    assert [data["text"] for name, data, _ in events if name == "delta"] == ["in time"]


async def test_an_answer_without_end_is_a_lost_worker(
    runtime: Runtime, worker_says: Says, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("agent_runtime_service.execution.worker_client._MAX_ANSWER_BYTES", 100_000)
    async with worker_says(_line(type="delta", text="x" * 1000) * 200):
        told = await runtime.send("Hello")
    assert (told.status_code, told.json()["code"]) == (503, "worker_lost")
