"""A model server that fails in every way: its provider is named, the run is failed, the conversation is intact."""

import math
from typing import Any

import pytest

from kgents_shared.testing.model_server import (
    CutStream,
    HugeAnswer,
    ModelServer,
    NeverAnswers,
    RawAnswer,
    Reply,
    SlowBytes,
    StatusFault,
    ToolCall,
    rate_limited,
    server_error,
)
from tests.external.running_runtime import Runtime

SHORT: dict[str, Any] = {"limits": {"timeout_s": 2}}


async def fails(runtime: Runtime, status: int, code: str, conversation_id: str | None = None) -> dict[str, Any]:
    """Send a message that must fail that way; its problem document."""
    answer = await runtime.send("bad", conversation_id)
    assert answer.status_code == status, answer.text
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["code"] == code
    assert "openai" in problem["detail"]
    assert "sk-canary-key" not in answer.text
    run = await runtime.run(problem["run_id"])
    assert run["status"] == "failed"
    assert run["error"]["code"] == code
    assert run["text"] is None
    return problem


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (server_error(), 502, "provider_error"),
        (server_error(503), 502, "provider_error"),
        (rate_limited(0), 503, "provider_rate_limited"),
        (RawAnswer(b"<html>not json</html>"), 502, "provider_garbage"),
        (RawAnswer(b"<html></html>", content_type="text/html"), 502, "provider_garbage"),
        (RawAnswer(b'{"choices": 7}'), 502, "provider_garbage"),
        (RawAnswer(b"data: {not json\n\n", content_type="text/event-stream"), 502, "provider_garbage"),
        (RawAnswer(b"data: 7\n\n", content_type="text/event-stream"), 502, "provider_garbage"),
        (RawAnswer(b'data: {"choices": [7]}\n\n', content_type="text/event-stream"), 502, "provider_garbage"),
        (RawAnswer(b"", content_type="text/event-stream"), 502, "provider_cut"),
        (StatusFault(401, "Incorrect API key provided: sk-canary-key"), 502, "provider_refused"),
        (StatusFault(400, "unknown model sk-canary-key"), 502, "provider_error"),
        (StatusFault(302, "elsewhere", headers={"Location": "http://127.0.0.1:1/"}), 502, "provider_error"),
        (CutStream(), 502, "provider_cut"),
    ],
)
async def test_a_failing_provider_is_named_and_the_conversation_stays_intact(
    runtime: Runtime, model: ModelServer, fault: Any, status: int, code: str
):
    await runtime.add_agent()
    first = await runtime.say("good")
    model.script(*[fault] * 6)
    await fails(runtime, status, code, first["conversation_id"])
    model.reset()
    assert (await runtime.transcript(first["conversation_id"]))[-1] == ("assistant", first["text"])
    assert "[4 messages seen]" in (await runtime.say("good again", first["conversation_id"]))["text"]


async def test_a_provider_that_is_down_is_told_with_its_name(runtime: Runtime, model: ModelServer):
    await runtime.add_agent()
    await model.stop()
    await fails(runtime, 502, "provider_unreachable")
    await model.start()
    assert (await runtime.say("good"))["status"] == "completed"


@pytest.mark.parametrize(
    "fault", [NeverAnswers(), Reply(text="late", before_s=30), SlowBytes(Reply(text="x" * 4000), pause_s=0.05)]
)
async def test_a_provider_that_is_too_slow_is_told_before_the_runs_deadline_is_over(
    runtime: Runtime, model: ModelServer, fault: Any
):
    await runtime.add_agent(**SHORT)
    model.script(fault)
    await fails(runtime, 504, "provider_timeout")
    # It was at work: what it was asked counts, for budgets too.
    [run] = (await runtime.ask("GET", "/api/v1/runs")).json()["items"]
    assert run["usage"]["prompt_tokens"] > 0


async def test_a_rate_limit_keeps_its_retry_after(runtime: Runtime, model: ModelServer):
    await runtime.add_agent()
    model.script(rate_limited(77))
    answer = await runtime.send("bad")
    assert answer.headers["retry-after"] == "77"
    assert len(model.completions) == 1


@pytest.mark.parametrize("pause_s", [math.inf, math.nan, 1e300], ids=str)
async def test_a_retry_after_of_any_number_is_an_hour_at_most(runtime: Runtime, model: ModelServer, pause_s: float):
    await runtime.add_agent()
    model.script(rate_limited(pause_s), rate_limited(20))
    answer = await runtime.send("bad")
    assert (answer.status_code, answer.json()["code"]) == (503, "provider_rate_limited"), answer.text
    assert int(answer.headers["retry-after"]) <= 3600


async def test_an_answer_beyond_all_size_is_cut_off(runtime: Runtime, model: ModelServer):
    await runtime.add_agent()
    model.script(HugeAnswer(20 * 1024 * 1024))
    await fails(runtime, 502, "provider_garbage")


async def test_faults_that_pass_are_tried_again_before_the_first_byte(runtime: Runtime, model: ModelServer):
    await runtime.add_agent()
    model.script(server_error(), rate_limited(0.01), "at last")
    assert (await runtime.say("Hello"))["text"] == "at last"
    assert len(model.completions) == 3


async def test_a_stream_that_breaks_off_is_asked_for_again_and_the_listener_is_told(
    runtime: Runtime, model: ModelServer
):
    await runtime.add_agent()
    model.script(CutStream(Reply(text="half of a sentence", between_s=0.02)), "the whole sentence")
    events = await runtime.stream("Hello")
    names = [name for name, _, _ in events]
    assert "reset" in names
    after = events[names.index("reset") :]
    assert "".join(data["text"] for name, data, _ in after if name == "delta") == "the whole sentence"
    assert events[-1][1]["text"] == "the whole sentence"


async def test_a_tool_call_with_broken_arguments_is_never_carried_out(runtime: Runtime, model: ModelServer):
    await runtime.add_agent(tools={"allow": ["time.*"]})
    broken = Reply(tool_calls=(ToolCall("time_now", '{"zone": "U'),))
    model.script(broken, broken)
    await fails(runtime, 502, "provider_garbage")


async def test_a_failed_run_streams_its_fault_as_the_last_event(runtime: Runtime, model: ModelServer):
    await runtime.add_agent()
    model.script(StatusFault(401, "no"))
    events = await runtime.stream("Hello")
    assert [name for name, _, _ in events] == ["run", "failed"]
    assert events[-1][1]["code"] == "provider_refused"
    assert events[-1][1]["status"] == 502
