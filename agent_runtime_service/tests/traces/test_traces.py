"""A run's trace, as its owner reads it."""

from typing import Any
from uuid import uuid4

from kgents_shared.contracts.tools import InvokeToolRequest
from kgents_shared.contracts.worker import ToolCallResult, ToolDefinition
from kgents_shared.testing.model_server import ModelServer, Reply, StatusFault, ToolCall
from kgents_shared.testing.polling import eventually
from tests.external.running_runtime import Runtime
from tests.external.runtime_siblings import RuntimeSiblings

TOOLS: dict[str, Any] = {"tools": {"allow": ["time.*", "ask_agent"]}}
ASK = ToolDefinition(name="ask_agent", description="Asks another agent.", input_schema={"type": "object"})
CANARY = "sk-canary0123456789abcdef"


async def trace(runtime: Runtime, run_id: str, **query: Any) -> dict[str, Any]:
    """The trace once all calls of models are in it, which are written in batches."""

    async def found() -> dict[str, Any] | None:
        answer = await runtime.ask("GET", f"/api/v1/runs/{run_id}/trace")
        assert answer.status_code == 200, answer.text
        usage = (await runtime.run(run_id))["usage"] or {"model_calls": 1}
        calls = [span for span in answer.json()["spans"] if span["kind"] == "model_call"]
        return answer.json() if len(calls) >= usage["model_calls"] else None

    whole = await eventually(found, describe="the calls are written")
    if not query:
        return whole or {}
    answer = await runtime.ask("GET", f"/api/v1/runs/{run_id}/trace", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def tree(view: dict[str, Any]) -> list[tuple[int, str, str, str]]:
    """(depth, kind, name, status) of each span."""
    depth: dict[str | None, int] = {None: -1}
    rows: list[tuple[int, str, str, str]] = []
    for span in view["spans"]:
        depth[span["id"]] = depth[span["parent_id"]] + 1
        rows.append((depth[span["id"]], span["kind"], span["name"], span["status"]))
    return rows


def only(view: dict[str, Any], kind: str) -> dict[str, Any]:
    [span] = [span for span in view["spans"] if span["kind"] == kind]
    return span


async def test_a_trace_has_every_step_with_its_calls_and_what_was_decided_on_them(
    runtime: Runtime, model: ModelServer, siblings: RuntimeSiblings
):
    await runtime.add_agent(**TOOLS)
    answer = await runtime.say('call time.now {"zone": "UTC", "password": "hunter2"}')
    view = await trace(runtime, answer["run_id"])
    assert tree(view) == [
        (0, "run", "helper@1", "ok"),
        (1, "step", "step 1", "ok"),
        (2, "model_call", "openai/fake-model", "ok"),
        (2, "tool_call", "time.now", "ok"),
        (1, "step", "step 2", "ok"),
        (2, "model_call", "openai/fake-model", "ok"),
    ]
    run, _, asked, called, _, answered = view["spans"]
    assert run["run"]["answer"] == answered["model_call"]["text"] == answer["text"]
    assert [call["name"] for call in asked["model_call"]["tool_calls"]] == ["time.now"]
    told = called["tool_call"]
    assert told["arguments"] == {"zone": "UTC", "password": "***"}
    assert told["decision"]["outcome"] == "allowed"
    assert (told["state"], told["is_error"], told["cost"]) == ("completed", False, "0.250000")
    usage = answer["usage"]
    assert view["totals"]["prompt_tokens"] == usage["prompt_tokens"]
    assert (view["totals"]["model_calls"], view["totals"]["tool_calls"]) == (2, 1)
    assert all(span["offset_ms"] <= run["duration_ms"] for span in view["spans"])
    assert (view["failed_at"], view["registry"], view["left_out"]) == ([], "asked", 0)
    sent = [span["model_call"]["prompt"] for span in (asked, answered)]
    assert [[row["role"] for row in prompt["messages"]] for prompt in sent] == [
        ["system", "user"], ["system", "user", "assistant", "tool"],
    ]  # fmt: skip
    assert sent[0]["model"] == "fake-model"
    assert sent[0]["tools"][0]["function"]["name"] == "time_now"
    assert 0 <= asked["model_call"]["first_token_ms"] <= asked["duration_ms"] + 1
    assert asked["model_call"]["attempt"] == 1
    bare = await trace(runtime, answer["run_id"], prompts=False)
    assert bare["spans"][2]["model_call"]["prompt"] is None
    foreign = await runtime.ask("GET", f"/api/v1/runs/{answer['run_id']}/trace", owner="somebody-else")
    assert (foreign.status_code, foreign.json()["code"]) == (404, "run_not_found")
    assert (await runtime.ask("GET", f"/api/v1/runs/{uuid4()}/trace")).status_code == 404


async def test_a_failed_run_says_where_it_failed_and_a_denied_call_by_which_rule(
    runtime: Runtime, model: ModelServer, siblings: RuntimeSiblings
):
    rule = {"level": "agent", "effect": "deny", "pattern": "time.*"}

    async def deny(_: InvokeToolRequest) -> ToolCallResult:
        return ToolCallResult(content="It may not be called.", is_error=True)

    siblings.invoke, siblings.denied = deny, {"time.now": rule}
    await runtime.add_agent(**TOOLS)
    model.script(Reply(tool_calls=(ToolCall("time_now"),)), StatusFault(401, "no"))
    failed = (await runtime.send("Hello")).json()
    view = await trace(runtime, failed["run_id"])
    by_id = {span["id"]: span for span in view["spans"]}
    assert [by_id[place]["kind"] for place in view["failed_at"]] == ["run", "step", "model_call"]
    assert by_id[view["failed_at"][-1]]["error"]["code"] == failed["code"] == "provider_refused"
    call = only(view, "tool_call")
    assert call["tool_call"]["decision"]["denied_by"] == rule
    assert (call["status"], call["error"]["code"]) == ("error", "denied")
    await siblings.__aexit__()
    assert (await trace(runtime, failed["run_id"]))["registry"] == "away"


async def test_the_run_of_an_agent_that_was_asked_stands_below_the_call_that_asked(
    runtime: Runtime, siblings: RuntimeSiblings
):
    async def ask(call: InvokeToolRequest) -> ToolCallResult:
        question = {
            "owner_id": call.owner_id, "principal": call.principal, "agent": "expert", "text": "What is tea?",
            "key": call.idempotency_key, "hops": [str(hop) for hop in call.hops],
        }  # fmt: skip
        headers = runtime.issuer.service("tools", "runtime")
        answer = await runtime.http.post("/internal/agents/ask", json=question, headers=headers)
        return ToolCallResult(content=answer.json()["text"])

    siblings.tools, siblings.invoke = [ASK], ask
    await runtime.add_agent(**TOOLS)
    await runtime.add_agent("expert")
    answer = await runtime.say("call ask_agent {}")

    async def asked() -> bool:
        return (await trace(runtime, answer["run_id"]))["totals"]["runs"] == 2

    await eventually(asked, describe="it is noted who asked")
    view = await trace(runtime, answer["run_id"])
    assert tree(view)[3:6] == [
        (2, "tool_call", "ask_agent", "ok"),
        (3, "run", "expert@1", "ok"),
        (4, "step", "step 1", "ok"),
    ]
    assert view["spans"][4]["run"]["question"] == "What is tea?"


async def test_spans_are_found_by_kind_by_text_and_by_how_long_they_took(runtime: Runtime):
    await runtime.add_agent(**TOOLS)
    run_id = (await runtime.say('call time.now {"zone": "Mars"}'))["run_id"]
    view = await trace(runtime, run_id, kind="tool_call")
    assert [(span["kind"], span["matched"]) for span in view["spans"]] == [
        ("run", False), ("step", False), ("tool_call", True),
    ]  # fmt: skip
    found = await trace(runtime, run_id, q="MARS", kind=["tool_call", "run"])
    assert {span["kind"] for span in found["spans"] if span["matched"]} == {"run", "tool_call"}
    assert (await trace(runtime, run_id, slower_than_ms=3_600_000))["spans"] == []
    cut = await trace(runtime, run_id, most_chars=4)
    assert cut["spans"][0]["run"]["question"].startswith("call… (")
    refused = await runtime.ask("GET", f"/api/v1/runs/{run_id}/trace", params={"kind": "nonsense"})
    assert refused.status_code == 422


async def test_what_looks_like_a_secret_is_not_shown(runtime: Runtime, model: ModelServer, siblings: RuntimeSiblings):
    async def leak(_: InvokeToolRequest) -> ToolCallResult:
        return ToolCallResult(content=f"Authorization: Bearer {CANARY}")

    siblings.invoke = leak
    await runtime.add_agent(**TOOLS, limits={"max_steps": 3})
    answer = await runtime.say(f'call time.now {{"api_key": "{CANARY}", "url": "https://u:{CANARY}@host.example/"}}')
    answered = await runtime.ask("GET", f"/api/v1/runs/{answer['run_id']}/trace", params={"most_chars": 100_000})
    await trace(runtime, answer["run_id"])
    assert "canary" not in answered.text
    assert "***" in answered.text
