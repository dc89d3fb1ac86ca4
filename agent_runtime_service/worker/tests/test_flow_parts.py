"""What a flow's worker does without lfx: its models' port, and its tool calls."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web

from agent_worker.door import Door, RunDoor
from agent_worker.failures import RunFailed
from kgents_shared.contracts.worker import RunRequest
from lfx_worker.model_port import ModelPort, ModelUse
from lfx_worker.transcript import RunTools

Json = dict[str, Any]
CALL = {"id": "call-1", "name": "time.now", "arguments": {"zone": "UTC"}}


@dataclass
class Front:
    """The door's far side: it notes what comes in, in its order."""

    answer: Json | bytes | int = field(default_factory=lambda: {"choices": [{"message": {"content": "Hi"}}]})
    heard: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])

    async def complete(self, request: web.Request) -> web.StreamResponse:
        self.heard.append(("model", await request.json()))
        if isinstance(self.answer, dict):
            return web.json_response(self.answer)
        if isinstance(self.answer, int):
            problem = {"status": self.answer, "code": "provider_away", "detail": "The provider is away."}
            return web.json_response(problem, status=self.answer)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(self.answer)
        if b"[DONE]" not in self.answer and request.transport is not None:
            request.transport.abort()
        return response

    async def step(self, request: web.Request) -> web.Response:
        (call,) = (await request.json())["message"]["tool_calls"]
        self.heard.append(("step", call["name"]))
        await asyncio.sleep(0)
        return web.json_response({"seq": 1}, status=201)

    async def tool(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.heard.append(("tool", body["name"]))
        if body["name"] == "refused":
            problem = {"status": 429, "code": "too_many_steps", "detail": "That is enough."}
            return web.json_response(problem, status=429)
        return web.json_response({"content": f"of {body['tool_call_id'][:5]}", "is_error": False})


@pytest.fixture
def front() -> Front:
    return Front()


@pytest.fixture
async def door(front: Front) -> AsyncGenerator[RunDoor]:
    app = web.Application()
    app.router.add_post("/internal/llm/openai/v1/chat/completions", front.complete)
    app.router.add_post("/internal/runs/{run}/steps", front.step)
    app.router.add_post("/internal/tools/call", front.tool)
    runner = web.AppRunner(app, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with Door(f"http://127.0.0.1:{runner.addresses[0][1]}", uuid4(), "t" * 64) as opened:
        yield opened.for_run(uuid4(), 1)
    await runner.cleanup()


@pytest.fixture
async def port() -> AsyncGenerator[ModelPort]:
    opened = ModelPort()
    async with opened.open():
        yield opened


async def ask(port: ModelPort, key: str, path: str = "/chat/completions") -> tuple[int, Json, str | None]:
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{port.base_url}{path}", json={"messages": []}, headers=headers) as answer,
    ):
        return answer.status, await answer.json(), answer.headers.get("x-should-retry")


async def test_a_request_goes_to_the_door_of_the_run_whose_key_it_has(port: ModelPort, door: RunDoor, front: Front):
    async with port.used_by(ModelUse(door, "openai", 2)) as use:
        status, answer, _ = await ask(port, use.key)
        assert (status, answer["choices"]) == (200, [{"message": {"content": "Hi"}}])
        assert answer["usage"]["total_tokens"] == 0
        front.answer = {"choices": [], "usage": {"total_tokens": 7}}
        assert (await ask(port, use.key))[1] == front.answer
    assert [kind for kind, _ in front.heard] == ["model", "model"]


async def test_without_the_key_of_a_run_that_goes_on_nothing_is_asked(port: ModelPort, door: RunDoor, front: Front):
    async with port.used_by(ModelUse(door, "openai", 2)) as use:
        pass
    for key in (use.key, "", "sk-anything"):
        status, answer, retry = await ask(port, key)
        assert (status, answer["error"]["code"], retry) == (401, "unauthenticated", "false")
    assert front.heard == []


async def test_a_refusal_is_told_once_and_kept_as_the_runs_reason(port: ModelPort, door: RunDoor, front: Front):
    front.answer = 503
    async with port.used_by(ModelUse(door, "openai", 2)) as use:
        status, answer, retry = await ask(port, use.key)
    assert (status, answer["error"]["message"], retry) == (503, "The provider is away.", "false")
    assert use.failure is not None
    assert (use.failure.code, use.failure.status) == ("provider_away", 503)


async def test_a_run_asks_no_more_often_than_it_may(port: ModelPort, door: RunDoor, front: Front):
    async with port.used_by(ModelUse(door, "openai", 1)) as use:
        assert (await ask(port, use.key))[0] == 200
        assert (await ask(port, use.key))[1]["error"]["code"] == "max_steps_reached"
    assert len(front.heard) == 1


async def test_a_stream_is_passed_on_as_it_is(port: ModelPort, door: RunDoor, front: Front):
    front.answer = b'data: {"choices": []}\n\ndata: [DONE]\n\n'
    async with (
        port.used_by(ModelUse(door, "openai", 1)) as use,
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {use.key}"}) as session,
        session.post(f"{port.base_url}/chat/completions", json={}) as answer,
    ):
        assert (answer.content_type, await answer.read()) == ("text/event-stream", front.answer)


async def test_a_stream_that_breaks_off_breaks_off_there_too(port: ModelPort, door: RunDoor, front: Front):
    front.answer = b'data: {"choices": []}\n\n'
    async with (
        port.used_by(ModelUse(door, "openai", 1)) as use,
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {use.key}"}) as session,
        session.post(f"{port.base_url}/chat/completions", json={}) as answer,
    ):
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
    assert use.failure is not None
    assert use.failure.code == "provider_cut"


async def test_of_the_wire_there_are_chat_completions_alone(port: ModelPort, door: RunDoor, front: Front):
    async with port.used_by(ModelUse(door, "openai", 1)) as use:
        status, answer, _ = await ask(port, use.key, "/embeddings")
    assert (status, answer["error"]["message"]) == (
        404,
        "Of OpenAI's wire there are chat completions here, no /v1/embeddings.",
    )
    assert front.heard == []


def run_of(*messages: Json) -> RunRequest:
    return RunRequest.model_validate(
        {
            "run_id": uuid4(),
            "conversation_id": uuid4(),
            "epoch": 1,
            "messages": [{"role": "user", "text": "earlier", "tool_calls": [CALL]}, *messages],
            "tools": [],
            "llm": {"provider": "openai", "model": "m"},
            "max_steps": 4,
            "deadline_s": 20,
        }
    )


QUESTION = {"role": "user", "text": "What time is it?"}
STORED = {"role": "assistant", "text": "", "tool_calls": [CALL]}
RESULT = {"role": "tool", "text": "noon", "tool_call_id": "call-1"}


async def test_each_call_is_stored_and_made_before_the_next_is_stored(door: RunDoor, front: Front):
    tools = RunTools(run_of(QUESTION), door)
    await asyncio.gather(*(tools.call(name, {}) for name in ("a", "b", "c")))
    assert front.heard == [(kind, name) for name in "abc" for kind in ("step", "tool")]


async def test_a_call_that_was_made_is_answered_from_the_transcript_once(door: RunDoor, front: Front):
    tools = RunTools(run_of(QUESTION, STORED, RESULT), door)
    arguments = {"zone": "UTC"}
    assert (await tools.call("time.now", arguments)).content == "noon"
    assert front.heard == []
    assert (await tools.call("time.now", arguments)).content == "of call_"
    assert front.heard == [("step", "time.now"), ("tool", "time.now")]


async def test_a_call_that_was_cut_off_is_finished_before_another_is_stored(door: RunDoor, front: Front):
    tools = RunTools(run_of(QUESTION, STORED), door)
    await tools.call("other", {})
    assert front.heard == [("tool", "time.now"), ("step", "other"), ("tool", "other")]
    assert (await tools.call("time.now", {"zone": "UTC"})).content == "of call-"
    assert len(front.heard) == 3


async def test_a_call_that_the_door_refuses_is_kept_as_the_runs_reason(door: RunDoor):
    tools = RunTools(run_of(QUESTION), door)
    with pytest.raises(RunFailed, match="That is enough"):
        await tools.call("refused", {})
    assert tools.failure is not None
    assert tools.failure.code == "too_many_steps"


def test_a_worker_that_a_flow_holds_up_ends_and_tells_where():
    code = """
import asyncio, re
from lfx_worker.heartbeat import ended_when_stuck

async def serve():
    async with ended_when_stuck(0.5):
        await asyncio.sleep(1)
        print("served", flush=True)
        re.match("(a+)+$", "a" * 60 + "b")

asyncio.run(serve())
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 1
    assert ended.stdout == "served\n"
    assert ended.stderr.startswith("Timeout")
    assert "in serve" in ended.stderr
