"""The worker over HTTP, as the front meets it."""

import asyncio
import json
import os
import signal
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web

from agent_worker import logs

TOOL = {"name": "time.now", "description": "The time.", "input_schema": {"type": "object"}}
CALL = {"id": "c1", "name": "time.now", "arguments": {"zone": "UTC"}}


def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    document = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def ask_tool(arguments: str = '{"zone": "UTC"}', call_id: str | None = "c1") -> bytes:
    """A streamed call whose arguments come in two pieces."""
    half = len(arguments) // 2
    first = {"index": 0, "id": call_id, "function": {"name": "time_now", "arguments": arguments[:half]}}
    second = {"index": 0, "function": {"arguments": arguments[half:]}}
    return chunk({"tool_calls": [first]}) + chunk({"tool_calls": [second]}, "tool_calls") + b"data: [DONE]\n\n"


async def test_health_needs_no_token_and_tells_who_it_is(worker: Any):
    async with worker.session.get("http://worker/health") as answer:
        assert await answer.json() == {"status": "ok", "agent": "helper", "version": 7}


async def test_a_run_streams_its_text_and_ends_with_all_of_it(worker: Any):
    events = await worker.run(worker.request())
    assert events[-1] == {"type": "final", "text": "hello", "tool_calls": []}
    assert "".join(event["text"] for event in events if event["type"] == "delta") == "hello"


async def test_a_short_answer_is_told_in_one_piece_and_a_long_one_as_the_model_goes_on(worker: Any):
    async with worker.session.post("http://worker/runs", json=worker.request(), headers=worker.admitted) as answer:
        assert answer.headers["Content-Length"] == str(len(await answer.read()))
    goes_on = asyncio.Event()

    async def slowly(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        await answer.write(chunk({"content": "hel"}))
        await goes_on.wait()
        await answer.write(chunk({"content": "lo"}, "stop") + b"data: [DONE]\n\n")
        return answer

    worker.door.answers.append(slowly)
    async with worker.session.post("http://worker/runs", json=worker.request(), headers=worker.admitted) as answer:
        assert json.loads(await answer.content.readline()) == {"type": "delta", "text": "hel", "step": 1}
        goes_on.set()
        lines = (await answer.read()).splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["delta", "final"]


async def test_the_prompt_reaches_the_model_as_it_is(worker: Any):
    await worker.run(worker.request({"role": "user", "text": "{x} {{y}} %s"}))
    assert worker.door.completions[0]["messages"] == [
        {"role": "system", "content": "You are {a} {{b}} %s."},
        {"role": "user", "content": "{x} {{y}} %s"},
    ]


async def test_every_call_at_the_door_names_instance_run_and_epoch(worker: Any):
    request = worker.request()
    await worker.run(request)
    headers = worker.door.headers[0]
    assert headers["Authorization"] == f"Bearer {worker.config.token}"
    assert headers["X-Kgents-Instance"] == str(worker.config.instance_id)
    assert headers["X-Kgents-Run"] == request["run_id"]
    assert headers["X-Kgents-Epoch"] == "3"


async def test_a_tool_call_is_stored_before_it_is_made(worker: Any):
    worker.door.answers.append(ask_tool())
    events = await worker.run(worker.request(tools=[TOOL]))
    assert events[-1]["type"] == "final"
    assert worker.door.completions[0]["tools"][0]["function"]["name"] == "time_now"
    assert worker.door.steps[0]["tool_calls"] == [CALL]
    assert worker.door.tool_calls == [{"tool_call_id": "c1", "name": "time.now", "arguments": {"zone": "UTC"}}]
    assert worker.door.completions[1]["messages"][-2:] == [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "time_now", "arguments": '{"zone":"UTC"}'}}
            ],
        },
        {"role": "tool", "content": "result 1", "tool_call_id": "c1"},
    ]


async def test_a_run_goes_on_after_the_last_stored_step(worker: Any):
    other = {**CALL, "id": "c2"}
    await worker.run(
        worker.request(
            {"role": "user", "text": "Hi"},
            {"role": "assistant", "text": "", "tool_calls": [CALL, other]},
            {"role": "tool", "text": "known", "tool_call_id": "c1"},
            tools=[TOOL],
        )
    )
    assert worker.door.steps == []
    assert [call["tool_call_id"] for call in worker.door.tool_calls] == ["c2"]
    assert [row["role"] for row in worker.door.completions[0]["messages"]] == [
        "system", "user", "assistant", "tool", "tool",
    ]  # fmt: skip


async def test_call_ids_that_come_twice_or_not_at_all_are_made_new(worker: Any):
    worker.door.answers += [ask_tool(call_id="c1"), ask_tool(call_id="c1"), ask_tool(call_id=None)]
    await worker.run(worker.request(tools=[TOOL]))
    assert len({call["tool_call_id"] for call in worker.door.tool_calls}) == 3


async def test_a_model_without_end_ends_with_its_steps(worker: Any):
    worker.door.answers += [ask_tool() for _ in range(9)]
    events = await worker.run(worker.request(tools=[TOOL]))
    assert events[-1]["code"] == "max_steps_reached"
    assert len(worker.door.completions) == 4


async def test_broken_arguments_are_asked_for_again_and_never_acted_on(worker: Any):
    worker.door.answers += [ask_tool('{"zone": "U'), ask_tool("[]")]
    events = await worker.run(worker.request(tools=[TOOL]))
    assert [event["type"] for event in events] == ["reset", "failed"]
    assert events[-1]["code"] == "provider_garbage"
    assert worker.door.steps == []


async def test_a_stream_that_breaks_off_is_asked_for_once_more(worker: Any):
    worker.door.answers.append(chunk({"content": "half"}))
    events = await worker.run(worker.request())
    assert [event["type"] for event in events] == ["delta", "reset", "delta", "final"]
    assert events[-1]["text"] == "hello"


@pytest.mark.parametrize("status", [402, 409, 502, 503])
async def test_the_doors_refusal_is_the_runs_fault(worker: Any, status: int):
    async def refuse(_: web.Request) -> web.Response:
        problem = {"code": "some_code", "detail": "openai said no", "status": status}
        return web.json_response(problem, status=status, content_type="application/problem+json")

    worker.door.answers.append(refuse)
    [event] = await worker.run(worker.request())
    assert event == {"type": "failed", "code": "some_code", "detail": "openai said no", "status": status}


async def test_an_error_told_within_the_stream_is_the_runs_fault(worker: Any):
    told = {"error": {"code": "provider_timeout", "detail": "openai is slow", "status": 504}}
    worker.door.answers.append(chunk({"content": "half"}) + b'data: {"choi\n\ndata: ' + json.dumps(told).encode())
    events = await worker.run(worker.request())
    assert events[-1] == {"type": "failed", "code": "provider_timeout", "detail": "openai is slow", "status": 504}


async def test_a_run_ends_with_its_deadline(worker: Any):
    async def never(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    worker.door.answers.append(never)
    [event] = await worker.run(worker.request(deadline_s=0.2))
    assert event["code"] == "deadline_exceeded"


@pytest.mark.parametrize("bearer", ["", "wrong", "t" * 64])
async def test_without_the_fronts_token_nothing_runs(worker: Any, bearer: str):
    headers = {"Authorization": f"Bearer {bearer}"}
    async with worker.session.post("http://worker/runs", json=worker.request(), headers=headers) as answer:
        assert answer.status == 401
    async with worker.session.delete(f"http://worker/runs/{uuid4()}", headers=headers) as answer:
        assert answer.status == 401
    assert worker.door.completions == []


async def test_a_run_that_cannot_be_read_is_refused(worker: Any):
    for body in ({}, worker.request(surprise=1), worker.request(messages=[{"role": "system", "text": "x"}])):
        async with worker.session.post("http://worker/runs", json=body, headers=worker.admitted) as answer:
            assert answer.status == 422


async def test_a_run_can_be_cancelled(worker: Any):
    reached = asyncio.Event()

    async def never(_: web.Request) -> web.Response:
        reached.set()
        await asyncio.Event().wait()
        return web.Response()

    worker.door.answers.append(never)
    request = worker.request()
    running = asyncio.create_task(worker.run(request))
    await reached.wait()
    url = f"http://worker/runs/{request['run_id']}"
    async with worker.session.delete(url, headers=worker.admitted) as answer:
        assert answer.status == 204
    assert (await running)[-1]["code"] == "cancelled"
    for unknown in (url, "http://worker/runs/nonsense"):
        async with worker.session.delete(unknown, headers=worker.admitted) as answer:
            assert answer.status == 404


async def test_sigterm_lets_the_running_run_end_and_takes_no_other(own_worker: Any):
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        reached.set()
        await go_on.wait()
        return web.Response(body=chunk({"content": "late"}, "stop"), content_type="text/event-stream")

    own_worker.door.answers.append(slow)
    running = asyncio.create_task(own_worker.run(own_worker.request()))
    await reached.wait()
    own_worker.process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(60):
        while True:
            async with own_worker.session.get("http://worker/health") as answer:
                if answer.status == 503:
                    break
    async with own_worker.session.post(
        "http://worker/runs", json=own_worker.request(), headers=own_worker.admitted
    ) as answer:
        assert answer.status == 503
    go_on.set()
    assert (await running)[-1] == {"type": "final", "text": "late", "tool_calls": []}
    assert await asyncio.wait_for(own_worker.process.wait(), 60) == 0
    lines = [json.loads(line) for line in (await own_worker.process.stderr.read()).splitlines()]
    assert [line["event"] for line in lines] == ["worker_ready", "run_completed", "worker_stopped"]
    with pytest.raises(aiohttp.ClientError):
        await own_worker.session.get("http://worker/health")


async def test_lines_that_nobody_takes_are_let_go_and_the_next_ones_are_written(monkeypatch: pytest.MonkeyPatch):
    reading, writing = os.pipe()
    os.close(reading)
    monkeypatch.setattr(logs, "_STDERR", writing)
    logs.write_log_soon("info", "lost")
    with pytest.raises(BrokenPipeError):
        logs.write_log("info", "lost, too")
    reading, again = os.pipe()
    monkeypatch.setattr(logs, "_STDERR", again)
    logs.write_log_soon("info", "told")
    told = await asyncio.wait_for(asyncio.to_thread(os.read, reading, 4096), 60)
    assert [json.loads(line)["event"] for line in told.splitlines()] == ["told"]
    for number in (writing, reading, again):
        os.close(number)
