"""A run that wants a tool which needs a person's word: it waits without anything running, and goes on when decided."""

import asyncio
import signal
from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

import psycopg
import pytest

from agent_runtime_service.settings import RuntimeSettings
from kgents_shared.contracts.approvals import APPROVAL_DECIDED, ApprovalDecided
from kgents_shared.contracts.tools import TOOLS_CHANGED, ToolsChanged
from kgents_shared.contracts.worker import ToolDefinition
from kgents_shared.events import EventBus, make_event, subject_of
from kgents_shared.testing.model_server import ModelRequest, ModelServer, Reply, ToolCall
from kgents_shared.testing.polling import eventually
from tests.external.running_runtime import Runtime
from tests.external.runtime_siblings import Approval, Gate, RuntimeSiblings

MAIL = ToolDefinition(name="mail.send", description="Sends a mail.", input_schema={"type": "object"})
TOOLS: dict[str, Any] = {"tools": {"allow": ["time.*", "mail.*"]}}
SEND = 'call mail.send {"to": "ada"}'


@pytest.fixture
def gated(siblings: RuntimeSiblings) -> RuntimeSiblings:
    """Sending a mail needs an approval; asking for the time doesn't."""
    siblings.tools.append(MAIL)
    siblings.gated.add("mail.send")
    return siblings


async def waiting(runtime: Runtime, text: str = SEND, conversation_id: str | None = None, **more: Any) -> Any:
    """A message whose run waits."""
    answer = await runtime.send(text, conversation_id, **more)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def ended(runtime: Runtime, run_id: str) -> dict[str, Any]:
    """The run once it has ended."""

    async def found() -> dict[str, Any] | None:
        run = await runtime.run(run_id)
        return run if run["ended_at"] else None

    return cast("dict[str, Any]", await eventually(found, describe="the run ends"))


def only(siblings: RuntimeSiblings) -> Approval:
    [approval] = siblings.pending
    return approval


async def test_a_run_waits_and_goes_on_from_its_transcript_once_it_is_approved(
    runtime: Runtime, model: ModelServer, gated: RuntimeSiblings
):
    worker = await runtime.add_agent(**TOOLS)
    told = await waiting(runtime)
    approval = only(gated)
    [named] = told["approvals"]
    assert (told["status"], named["approval_id"], named["tool"]) == (
        "waiting_approval", str(approval.id), "mail.send",
    )  # fmt: skip
    run = await runtime.run(told["run_id"])
    assert (run["status"], run["approvals"], run["ended_at"], run["text"]) == (
        "waiting_approval", told["approvals"], None, None,
    )  # fmt: skip
    assert gated.effects == {}
    approval.status = "approved"
    run = await ended(runtime, told["run_id"])
    assert (run["status"], run["approvals"]) == ("completed", [])
    assert run["text"] == "The tool answered: mail.send {'to': 'ada'} [4 messages seen]"
    assert run["usage"]["model_calls"] == len(model.completions) == 2
    assert [call.idempotency_key for call in gated.invocations] == [approval.call.idempotency_key] * 2
    assert len(gated.effects) == 1
    asked = gated.invocations[0]
    assert (asked.principal, asked.agent_name, asked.agent_version, str(asked.conversation_id), asked.agent_id) == (
        runtime.owner, "helper", 1, told["conversation_id"], worker.agent_id,
    )  # fmt: skip


@pytest.mark.parametrize("status", ["rejected", "expired", "cancelled"])
async def test_what_is_not_approved_is_told_to_the_model_with_what_was_said(
    runtime: Runtime, gated: RuntimeSiblings, status: Any
):
    await runtime.add_agent(**TOOLS)
    told = await waiting(runtime)
    approval = only(gated)
    approval.note, approval.status = "not to Ada", status
    run = await ended(runtime, told["run_id"])
    assert f"{status}: not to Ada" in run["text"]
    assert gated.effects == {}


async def test_nothing_runs_while_a_run_waits(runtime: Runtime, gated: RuntimeSiblings, database_url: str):
    worker = await runtime.add_agent(**TOOLS)
    told = await waiting(runtime)
    state = runtime.front.app.state
    assert len(state.messages._runs) == 0
    assert state.finder._directory.get(worker.instance_id).runs == 0
    worker.kill(signal.SIGTERM)

    async def stopped() -> list[Any]:
        return [line["drained"] for line in worker.log_lines() if line["event"] == "worker_stopped"]

    assert await eventually(stopped, describe="the worker has nothing to wait for") == [True]
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        cursor = await connection.execute(
            "SELECT lease_expires_at <= now(), epoch FROM runtime.runs WHERE id = %s", (told["run_id"],)
        )
        assert await cursor.fetchone() == (True, 2)


async def test_a_decision_is_heard_as_an_event_at_once(
    start_runtime: Callable[..., Any], gated: RuntimeSiblings, make_settings: Callable[..., RuntimeSettings]
):
    settings = make_settings()
    token = settings.nats_token.get_secret_value() if settings.nats_token else None
    async with start_runtime(approvals_every_s=600) as runtime, EventBus(settings.nats_url, token) as bus:
        await runtime.add_agent(**TOOLS)
        told = await waiting(runtime)
        approval = only(gated)
        approval.status = "approved"
        decided = ApprovalDecided(
            approval_id=approval.id, owner_id=runtime.owner, run_id=UUID(told["run_id"]), status="approved"
        )

        async def told_of() -> bool:
            event = make_event("governance", APPROVAL_DECIDED, str(approval.id), decided)
            jetstream = await bus.jetstream()
            await jetstream.publish(subject_of("governance", APPROVAL_DECIDED), event.model_dump_json().encode())
            return (await runtime.run(told["run_id"]))["status"] == "completed"

        # Told more than once, since the front may not listen yet: it is resumed once all the same.
        await eventually(told_of, describe="the run goes on")
        assert len(gated.effects) == 1


async def test_a_message_meanwhile_is_refused_with_what_to_do(runtime: Runtime, gated: RuntimeSiblings):
    await runtime.add_agent(**TOOLS)
    told = await waiting(runtime)
    refused = await runtime.send("And now?", told["conversation_id"])
    assert (refused.status_code, refused.json()["code"]) == (409, "run_waiting")
    approval_id = told["approvals"][0]["approval_id"]
    assert f"kgents approvals approve {approval_id}" in refused.json()["detail"]
    assert refused.json()["approvals"] == told["approvals"]
    only(gated).status = "approved"
    await ended(runtime, told["run_id"])
    assert "[6 messages seen]" in (await runtime.say("And now?", told["conversation_id"]))["text"]


async def test_the_same_request_again_is_the_same_run_before_and_after_the_decision(
    runtime: Runtime, gated: RuntimeSiblings
):
    await runtime.add_agent(**TOOLS)
    first = await runtime.say("Hello")
    key: Any = {"headers": {"Idempotency-Key": "one"}}
    told = await waiting(runtime, SEND, first["conversation_id"], **key)
    assert await waiting(runtime, SEND, first["conversation_id"], **key) == told
    only(gated).status = "approved"
    run = await ended(runtime, told["run_id"])
    answer = await runtime.say(SEND, first["conversation_id"], **key)
    assert (answer["run_id"], answer["text"]) == (told["run_id"], run["text"])


async def test_messages_that_were_queued_behind_it_are_told_too(
    runtime: Runtime, model: ModelServer, gated: RuntimeSiblings
):
    await runtime.add_agent(**TOOLS)
    first = await runtime.say("Hello")
    gate = Gate()

    async def held(_: ModelRequest) -> Reply:
        await gate.hold()
        return Reply(tool_calls=(ToolCall("mail_send"),))

    model.script(held)
    sending = asyncio.create_task(runtime.send("one", first["conversation_id"]))
    await gate.wait_reached()
    queued = asyncio.create_task(runtime.send("two", first["conversation_id"]))
    places = runtime.front.app.state.messages._runs
    await eventually(lambda: len(places) == 2, describe="the second message is queued")
    gate.open()
    assert (await sending).status_code == 202
    refused = await queued
    assert (refused.status_code, refused.json()["code"]) == (409, "run_waiting")
    assert refused.json()["run_status"] == "failed"


async def test_the_stream_of_a_message_says_what_it_waits_for(runtime: Runtime, gated: RuntimeSiblings):
    await runtime.add_agent(**TOOLS)
    events = await runtime.stream(SEND)
    assert [name for name, _, _ in events if name != "delta"] == ["run", "step", "waiting_approval"]
    _, data, event_id = events[-1]
    assert (data["status"], data["approvals"][0]["tool"], event_id) == ("waiting_approval", "mail.send", None)


async def test_the_time_limit_stands_still_while_a_run_waits(
    runtime: Runtime, gated: RuntimeSiblings, database_url: str
):
    await runtime.add_agent(**TOOLS, limits={"timeout_s": 5})
    told = await waiting(runtime)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute(
            "UPDATE runtime.runs SET started_at = started_at - interval '6 days', "
            "waiting_since = waiting_since - interval '6 days' WHERE id = %s",
            (told["run_id"],),
        )
    only(gated).status = "approved"
    assert (await ended(runtime, told["run_id"]))["status"] == "completed"


async def test_of_several_calls_each_is_made_once_and_in_order(
    runtime: Runtime, model: ModelServer, gated: RuntimeSiblings
):
    await runtime.add_agent(**TOOLS)
    calls = [("time_now", 1), ("mail_send", 2), ("time_now", 3), ("mail_send", 4)]
    model.script(Reply(tool_calls=tuple(ToolCall(name, f'{{"n": {number}}}') for name, number in calls)))
    told = await waiting(runtime, "Hello")
    only(gated).status = "approved"

    async def second() -> Approval | None:
        return gated.pending[0] if gated.pending else None

    found = cast("Approval", await eventually(second, describe="the second mail waits"))
    assert (found.call.arguments, (await runtime.run(told["run_id"]))["ended_at"]) == ({"n": 4}, None)
    found.status = "rejected"
    run = await ended(runtime, told["run_id"])
    assert "time.now {'n': 1} | mail.send {'n': 2} | time.now {'n': 3} | rejected" in run["text"]
    assert len(gated.effects) == 3
    assert len(model.completions) == 2


async def test_an_approval_that_nobody_knows_any_more_is_asked_for_anew(runtime: Runtime, gated: RuntimeSiblings):
    await runtime.add_agent(**TOOLS)
    told = await waiting(runtime)
    gated.approvals.clear()
    gated.forgotten.add(told["approvals"][0]["approval_id"])

    async def other() -> bool:
        approvals = (await runtime.run(told["run_id"]))["approvals"]
        return bool(approvals) and approvals != told["approvals"]

    await eventually(other, describe="the run waits for another approval")
    only(gated).status = "approved"
    assert (await ended(runtime, told["run_id"]))["status"] == "completed"
    assert len(gated.effects) == 1


async def test_a_run_that_ends_with_an_approval_unused_has_it_cancelled(
    runtime: Runtime, gated: RuntimeSiblings, database_url: str
):
    worker = await runtime.add_agent(**TOOLS)
    told = await waiting(runtime)
    worker.kill()
    await runtime.http.delete(
        f"/internal/instances/{worker.instance_id}", headers=runtime.issuer.service("deployment", "runtime")
    )
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute(
            "UPDATE runtime.runs SET status = 'failed', ended_at = now() WHERE id = %s", (told["run_id"],)
        )
        run_id = UUID(told["run_id"])
        await eventually(lambda: run_id in gated.cancelled_runs, describe="the approval is cancelled")

        async def state() -> Any:
            cursor = await connection.execute(
                "SELECT state FROM runtime.tool_calls WHERE run_id = %s", (told["run_id"],)
            )
            return await cursor.fetchall() == [("cancelled",)]

        await eventually(state, describe="it is noted")


async def test_changed_tools_are_those_of_the_next_run(
    runtime: Runtime, model: ModelServer, siblings: RuntimeSiblings, make_settings: Callable[..., RuntimeSettings]
):
    settings = make_settings()
    token = settings.nats_token.get_secret_value() if settings.nats_token else None
    await runtime.add_agent(**TOOLS)
    await runtime.say("Hello")
    siblings.tools.append(MAIL)
    async with EventBus(settings.nats_url, token) as bus:

        async def offered() -> bool:
            event = make_event("tools", TOOLS_CHANGED, runtime.owner, ToolsChanged(owner_id=runtime.owner))
            jetstream = await bus.jetstream()
            await jetstream.publish(subject_of("tools", TOOLS_CHANGED), event.model_dump_json().encode())
            await runtime.say("Hello")
            return "mail_send" in model.completions[-1].tool_names

        await eventually(offered, describe="the new tool is offered")
