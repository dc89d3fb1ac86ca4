"""Teams: through all members, to one of them, or as the team's own model asks for them; whatever dies meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from agent_runtime_service.passing.repository import PassingRepository
from kgents_shared.contracts.tools import InvokeToolRequest
from kgents_shared.contracts.worker import ToolCallResult, ToolDefinition
from kgents_shared.db import open_pool
from kgents_shared.testing.model_server import Answer, ModelRequest, ModelServer, Reply, ToolCall
from kgents_shared.testing.polling import eventually
from tests.external.running_runtime import Runtime
from tests.external.runtime_siblings import AnswerLater, Gate, RuntimeSiblings, tell_arguments

MEMBERS = ("researcher", "writer", "editor")


async def team_of(runtime: Runtime, mode: str, *, name: str = "newsroom", **spec: Any) -> None:
    """Three members, each of which says its name around what it was told, and the team of them."""
    for member in MEMBERS:
        if all(worker.spec.name != member for worker in runtime.workers):
            await runtime.add_agent(member, system_prompt=f"I am {member}.")
    members = [{"agent": member, "role": f"is the {member}"} for member in MEMBERS]
    await runtime.add_agent(name, system_prompt="I lead.", team={"mode": mode, "members": members}, **spec)


def registry_of(runtime: Runtime) -> Callable[[InvokeToolRequest], Awaitable[ToolCallResult]]:
    """What the registry makes of `ask_agent`."""

    async def invoke(call: InvokeToolRequest) -> ToolCallResult:
        if call.name != "ask_agent":
            return await tell_arguments(call)
        assert "ask_agent" in call.allow
        body = {
            "owner_id": call.owner_id, "principal": call.principal, "agent": call.arguments["agent"],
            "text": call.arguments["message"], "key": call.idempotency_key, "hops": [str(hop) for hop in call.hops],
            "conversation_id": call.arguments.get("conversation_id"),
            "awaited_run": call.awaited_run and str(call.awaited_run),
        }  # fmt: skip
        headers = runtime.issuer.service("tools", "runtime")
        answer = await runtime.http.post("/internal/agents/ask", json=body, headers=headers)
        told = answer.json()
        if answer.status_code != 200:
            return ToolCallResult(content=f"ask_agent gave no result. {told['detail']}", is_error=True)
        if told["status"] == "waiting_approval":
            raise AnswerLater(UUID(told["run_id"]))
        return ToolCallResult(content=f"{told['text']}\n[conversation_id: {told['conversation_id']}]")

    return invoke


def answers(leads: Callable[[ModelRequest], Answer]) -> Callable[[ModelRequest], Answer]:
    """A model that is each member by its prompt, and the leader as the test has it."""

    def answer(request: ModelRequest) -> Answer:
        system = str(request.messages[0]["content"])
        if system.startswith("I am "):
            return Reply(f"{system[5:-1]}({request.messages[-1]['content']})")
        return leads(request)

    return answer


def asks(*members: str, message: str = "?") -> Reply:
    calls = (ToolCall(f"team_{member}", json.dumps({"message": message})) for member in members)
    return Reply(tool_calls=tuple(calls))


def nobody(_: ModelRequest) -> Answer:
    raise AssertionError("the team's own model is not asked")


@pytest.fixture
def asking(runtime: Runtime, siblings: RuntimeSiblings) -> RuntimeSiblings:
    siblings.tools = []
    siblings.invoke = registry_of(runtime)
    return siblings


async def runs_of(runtime: Runtime) -> set[str]:
    return {run["run_id"] for run in (await runtime.ask("GET", "/api/v1/runs")).json()["items"]}


async def test_in_a_pipeline_each_member_gets_what_the_one_before_it_answered(
    runtime: Runtime, asking: RuntimeSiblings, model: ModelServer, database_url: str
) -> None:
    model.answer_with(answers(nobody))
    await team_of(runtime, "pipeline", limits={"max_steps": 1})
    first = await runtime.say("Tea", agent="newsroom")
    assert first["text"] == "editor(writer(researcher(Tea)))"
    team, *_ = [worker.agent_id for worker in runtime.workers if worker.spec.name == "newsroom"]
    assert [call.hops for call in asking.invocations] == [(team,)] * 3
    # Each member goes on in its own conversation with this team.
    begun = {call.arguments["agent"]: call.arguments.get("conversation_id") for call in asking.invocations}
    assert set(begun.values()) == {None}
    await runtime.say("Milk", first["conversation_id"], agent="newsroom")
    later = [call.arguments["conversation_id"] for call in asking.invocations[3:]]
    told = [text.rpartition("[conversation_id: ")[2].rstrip("]") for role, text in
            await runtime.transcript(first["conversation_id"]) if role == "tool"]  # fmt: skip
    assert later == told[:3]
    assert len(model.completions[-1].messages) == 4  # the editor's prompt, the first question and answer, the second
    # Of a response that isn't stored, what the members were told goes, too.
    kept = await runs_of(runtime)
    unstored = {"model": "newsroom", "input": "Secret", "store": False}
    told_once = await runtime.ask("POST", "/v1/responses", json=unstored)
    assert told_once.json()["output"][0]["content"][0]["text"] == "editor(writer(researcher(Secret)))"
    async with open_pool(database_url, max_size=2) as pool:
        rows = PassingRepository(pool)

        async def is_noted() -> bool:
            noted = """
            SELECT count(asked_by_key) FROM runtime.run_origins JOIN runtime.runs ON id = run_id WHERE owner_id = %s
            """
            async with pool.connection() as connection:
                return await (await connection.execute(noted, (runtime.owner,))).fetchone() == (9,)

        async def is_forgotten() -> bool:
            await rows.remove(timedelta(0))  # as is done every few seconds
            return await runs_of(runtime) == kept

        await eventually(is_noted, describe="it is noted who asked whom")
        await eventually(is_forgotten, describe="only what is stored is left")


async def test_a_member_that_gives_no_answer_ends_the_run_with_its_reason(
    runtime: Runtime, asking: RuntimeSiblings, model: ModelServer
) -> None:
    model.answer_with(answers(nobody))
    await team_of(runtime, "pipeline")
    members = [worker for worker in runtime.workers if worker.spec.name == "writer"]
    headers = runtime.issuer.service("deployment", "runtime")
    await runtime.http.delete(f"/internal/instances/{members[0].instance_id}", headers=headers)
    failed = await runtime.send("Tea", agent="newsroom")
    assert (failed.status_code, failed.json()["code"]) == (502, "member_failed")
    assert failed.json()["detail"] == "writer gave no answer: There is no such agent."
    assert len(asking.invocations) == 2


async def test_a_routed_message_is_answered_by_the_member_that_the_leader_chose(
    runtime: Runtime, asking: RuntimeSiblings, model: ModelServer
) -> None:
    def leads(request: ModelRequest) -> Answer:
        prompt = str(request.messages[0]["content"])
        assert prompt.startswith("I lead.\n\n")
        assert "- writer: is the writer" in prompt
        names = [tool["function"]["name"] for tool in cast("list[dict[str, Any]]", request.body["tools"])]
        assert names == [f"team_{member}" for member in MEMBERS]
        question = str(request.messages[-1]["content"])
        if question.startswith("Choose"):
            return Reply("`editor`.")
        return asks("writer", message="anything") if "poem" in question else Reply("Well, who knows?")

    model.answer_with(answers(leads))
    await team_of(runtime, "route")
    assert (await runtime.say("A poem", agent="newsroom"))["text"] == "writer(A poem)"
    assert (await runtime.say("Cut this", agent="newsroom"))["text"] == "editor(Cut this)"
    model.answer_with(answers(lambda _: Reply("I'd rather not.")))
    failed = await runtime.send("A poem", agent="newsroom")
    assert (failed.status_code, failed.json()["code"]) == (502, "no_member_chosen")
    assert len(asking.invocations) == 2


async def test_a_coordinating_leader_asks_members_and_answers_itself(
    runtime: Runtime, asking: RuntimeSiblings, model: ModelServer
) -> None:
    def leads(request: ModelRequest) -> Answer:
        results = [str(one["content"]).partition("\n")[0] for one in request.messages if one["role"] == "tool"]
        if not results:
            return asks("researcher", "writer", message="tea")
        return asks("editor", message=" and ".join(results)) if len(results) == 2 else Reply(f"Here: {results[-1]}")

    model.answer_with(answers(leads))
    await team_of(runtime, "coordinate")
    answer = await runtime.say("Write of tea", agent="newsroom")
    assert answer["text"] == "Here: editor(researcher(tea) and writer(tea))"
    assert answer["usage"]["model_calls"] == 3
    assert [call.arguments["agent"] for call in asking.invocations] == ["researcher", "writer", "editor"]


async def test_a_team_goes_on_where_its_worker_died_and_asks_nobody_twice(
    runtime: Runtime, asking: RuntimeSiblings, model: ModelServer
) -> None:
    model.answer_with(answers(nobody))
    await team_of(runtime, "pipeline")
    gate, invoke = Gate(), asking.invoke

    async def held(call: InvokeToolRequest) -> ToolCallResult:
        if call.arguments["agent"] == "writer":
            await gate.hold()
        return await invoke(call)

    asking.invoke = held
    worker = next(worker for worker in runtime.workers if worker.spec.name == "newsroom")

    sent = asyncio.create_task(runtime.say("Tea", agent="newsroom"))
    await gate.wait_reached()
    worker.kill()
    await worker.start(runtime.nursery)
    gate.open()
    assert (await sent)["text"] == "editor(writer(researcher(Tea)))"
    assert len(asking.effects) == 3
    assert len(model.completions) == 3


MAIL = ToolDefinition(name="mail.send", description="Sends a mail.", input_schema={"type": "object"})


def writes_a_mail(request: ModelRequest) -> Answer:
    """The writer sends what it was told, which needs a person's word; a leader asks the writer alone."""
    system, last = str(request.messages[0]["content"]), request.messages[-1]
    if system == "I am writer." and last["role"] == "user":
        return Reply(tool_calls=(ToolCall("mail_send"),))
    if system.startswith("I lead.") and last["role"] == "tool":
        return Reply(f"We say: {str(last['content']).partition(chr(10))[0]}")
    return answers(lambda _: asks("writer"))(request)


@pytest.mark.parametrize(
    ("mode", "end"),
    [
        ("pipeline", "editor(writer(mail.send {}))"),
        ("route", "writer(mail.send {})"),
        ("coordinate", "We say: writer(mail.send {})"),
    ],
)
async def test_a_team_waits_with_its_member_for_a_persons_word_and_goes_on_with_it(
    runtime: Runtime, asking: RuntimeSiblings, model: ModelServer, mode: str, end: str
) -> None:
    asking.tools, asking.gated = [MAIL], {"mail.send"}
    model.answer_with(writes_a_mail)
    await runtime.add_agent("writer", system_prompt="I am writer.", tools={"allow": ["mail.*"]})
    await team_of(runtime, mode)
    # A team of that team, so that what is waited for is found over more than one.
    await runtime.add_agent("press", system_prompt="-", team={"mode": "pipeline", "members": [{"agent": "newsroom"}]})

    async def waiting() -> tuple[dict[str, Any], Any]:
        sent = await runtime.send("Tea", agent="press")
        assert sent.status_code == 202, sent.text
        return sent.json(), asking.pending[-1]

    told, approval = await waiting()
    run = await runtime.run(told["run_id"])
    assert [one["approval_id"] for one in run["approvals"]] == [str(approval.id)]
    assert (run["status"], run["approvals"]) == ("waiting_approval", told["approvals"])
    assert len(runtime.front.app.state.active_runs) == 0
    approval.status = "approved"
    run = await runtime.ended(told["run_id"])
    assert (run["status"], run["text"]) == ("completed", end)
    assert len([one for one in model.completions if one.messages[-1]["content"] == "mail.send {}"]) == 1
    if mode != "coordinate":
        return
    # What is cancelled outside is cancelled to the innermost; what is cancelled there is told to who asked.
    told, approval = await waiting()
    await runtime.ask("POST", f"/api/v1/runs/{told['run_id']}/cancel")
    member = str(approval.call.run_id)
    assert (await runtime.ended(member))["status"] == "cancelled"
    told, approval = await waiting()
    await runtime.ask("POST", f"/api/v1/runs/{approval.call.run_id}/cancel")
    assert (await runtime.ended(told["run_id"]))["text"] == "We say: ask_agent gave no result. The run was cancelled."
