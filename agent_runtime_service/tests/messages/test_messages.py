"""A message and its answer, through a real worker and a model server over HTTP."""

import asyncio
from uuid import UUID, uuid4

import pytest

from kgents_shared.contracts.published_agent import DesiredState, PublishedAgent
from kgents_shared.testing.model_server import ModelServer, Reply
from tests.external.running_runtime import Runtime
from tests.external.runtime_siblings import RuntimeSiblings


async def test_an_agent_answers_and_the_answer_names_its_run_and_conversation(runtime: Runtime, model: ModelServer):
    worker = await runtime.add_agent()
    answer = await runtime.say("Hello")
    assert set(answer) == {"run_id", "conversation_id", "status", "text", "usage"}
    assert answer["status"] == "completed"
    assert answer["text"] == "You said: Hello [2 messages seen]"
    assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"] + answer["usage"]["completion_tokens"]
    assert not answer["usage"]["estimated"]
    assert UUID(answer["run_id"]).version == UUID(answer["conversation_id"]).version == 7
    assert model.completions[0].messages[0] == {"role": "system", "content": worker.spec.system_prompt}
    assert model.completions[0].authorization == "Bearer sk-canary-key"


async def test_a_conversation_goes_on_with_all_that_was_said(runtime: Runtime):
    await runtime.add_agent()
    first = await runtime.say("one")
    second = await runtime.say("two", first["conversation_id"])
    third = await runtime.say("three", first["conversation_id"])
    assert second["text"] == "You said: two [4 messages seen]"
    assert third["text"] == "You said: three [6 messages seen]"
    assert await runtime.transcript(first["conversation_id"]) == [
        ("user", "one"),
        ("assistant", first["text"]),
        ("user", "two"),
        ("assistant", second["text"]),
        ("user", "three"),
        ("assistant", third["text"]),
    ]


async def test_an_agent_is_found_by_its_id_too(runtime: Runtime):
    worker = await runtime.add_agent()
    assert (await runtime.say("Hello", agent=str(worker.agent_id)))["status"] == "completed"


async def test_messages_of_one_conversation_are_answered_one_after_the_other(runtime: Runtime, model: ModelServer):
    await runtime.add_agent()
    first = await runtime.say("start")
    model.answer_with(lambda request: Reply(text=f"{request.last_user_text}/{len(request.messages)}", before_s=0.05))
    answers = await asyncio.gather(*(runtime.say(f"m{n}", first["conversation_id"]) for n in range(8)))
    rows = await runtime.transcript(first["conversation_id"])
    assert [role for role, _ in rows] == ["user", "assistant"] * 9
    asked = [text for role, text in rows if role == "user"]
    assert sorted(asked[1:]) == [f"m{n}" for n in range(8)]
    for place, text in enumerate(asked[1:], start=1):
        assert rows[2 * place + 1][1] == f"{text}/{2 * place + 2}"
    assert {answer["text"] for answer in answers} == {text for _, text in rows[3::2]}


async def test_conversations_run_side_by_side(runtime: Runtime, model: ModelServer):
    await runtime.add_agent()
    model.answer_with(lambda _: Reply(text="slow", before_s=0.3))
    began = asyncio.get_running_loop().time()
    await asyncio.gather(*(runtime.say("Hello") for _ in range(10)))
    assert asyncio.get_running_loop().time() - began < 10 * 0.3


async def test_an_answer_streams_with_ids_on_what_is_stored(runtime: Runtime, model: ModelServer):
    await runtime.add_agent()
    model.script(Reply(text="a streamed answer in pieces", between_s=0.02))
    events = await runtime.stream("Hello")
    names = [name for name, _, _ in events]
    assert names[0] == "run"
    assert names[-1] == "completed"
    deltas = [data["text"] for name, data, _ in events if name == "delta"]
    assert len(deltas) > 1
    assert "".join(deltas) == events[-1][1]["text"] == "a streamed answer in pieces"
    assert all(event_id is None for name, _, event_id in events if name in {"run", "delta"})
    assert events[-1][2] == f"{events[0][1]['conversation_id']}:2"
    assert events[0][1]["run_id"] == events[-1][1]["run_id"]


@pytest.mark.parametrize("text", ["", "   \n", "x" * 32_769, "ü" * 16_385, "nul\x00"])
async def test_texts_that_cannot_be_taken_are_refused(runtime: Runtime, text: str):
    answer = await runtime.send(text)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"][-1] == "text"


@pytest.mark.parametrize(
    "body",
    [
        b'{"text": "\\ud800"}',
        b'{"text": "x", "owner_id": "somebody"}',
        b'{"text": 7}',
        b"[]",
        b"{",
        b'{"text": "x", "conversation_id": "not-an-id"}',
    ],
)
async def test_bodies_that_cannot_be_taken_are_refused(runtime: Runtime, body: bytes):
    headers = {"Content-Type": "application/json"}
    answer = await runtime.ask("POST", "/api/v1/agents/helper/message", content=body, headers=headers)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_longest_text_is_taken(runtime: Runtime):
    await runtime.add_agent()
    text = "ü" * 16_384
    assert f"You said: {text}" in (await runtime.say(text))["text"]


async def test_unusual_characters_come_back_to_the_byte(runtime: Runtime):
    await runtime.add_agent()
    text = 'Zürich 🏔 — "quoted" \\ back {braces} {{jinja}} %s %(x)s\n\ttabbed \u2028 end'
    answer = await runtime.say(text)
    assert answer["text"] == f"You said: {text} [2 messages seen]"
    assert (await runtime.transcript(answer["conversation_id"]))[0] == ("user", text)


async def test_an_unknown_agent_is_not_found(runtime: Runtime):
    answer = await runtime.send("Hello", agent="nobody")
    assert answer.status_code == 404
    assert answer.json()["code"] == "agent_not_found"


@pytest.mark.parametrize(
    ("desired", "version", "status", "code"),
    [
        (DesiredState.RUNNING, 1, 503, "agent_starting"),
        (DesiredState.STOPPED, 1, 409, "agent_stopped"),
        (DesiredState.STOPPED, None, 409, "agent_not_published"),
        (DesiredState.DELETED, 1, 404, "agent_not_found"),
    ],
)
async def test_an_agent_without_an_instance_is_told_apart(
    runtime: Runtime, siblings: RuntimeSiblings, desired: DesiredState, version: int | None, status: int, code: str
):
    siblings.agents[runtime.owner, "sleeper"] = PublishedAgent(
        agent_id=uuid4(),
        owner_id=runtime.owner,
        name="sleeper",
        version=version,
        generation=1,
        desired=desired,
        spec=None,
    )
    answer = await runtime.send("Hello", agent="sleeper")
    assert answer.status_code == status
    assert answer.json()["code"] == code
    assert ("retry-after" in answer.headers) == (status == 503)


async def test_another_owner_sees_nothing(runtime: Runtime):
    worker = await runtime.add_agent()
    mine = await runtime.say("a secret plan")
    other = f"owner-{uuid4().hex}"
    for agent in ("helper", str(worker.agent_id)):
        refused = await runtime.ask("POST", f"/api/v1/agents/{agent}/message", owner=other, json={"text": "Hello"})
        assert refused.status_code == 404
    for path in (
        f"/api/v1/runs/{mine['run_id']}",
        f"/api/v1/conversations/{mine['conversation_id']}",
        f"/api/v1/conversations/{mine['conversation_id']}/messages",
        "/api/v1/agents/helper/conversations",
    ):
        assert (await runtime.ask("GET", path, owner=other)).status_code == 404, path
    assert (await runtime.ask("GET", "/api/v1/conversations", owner=other)).json()["items"] == []


async def test_a_conversation_of_another_owner_or_agent_is_not_found(runtime: Runtime):
    await runtime.add_agent()
    await runtime.add_agent("second")
    mine = await runtime.say("Hello")
    wrong_agent = await runtime.send("Hello", mine["conversation_id"], agent="second")
    unknown = await runtime.send("Hello", str(uuid4()))
    assert wrong_agent.status_code == unknown.status_code == 404
    assert wrong_agent.json()["code"] == unknown.json()["code"] == "conversation_not_found"


async def test_without_the_scope_nothing_is_sent(runtime: Runtime):
    headers = runtime.issuer.person(runtime.owner, scopes=("agents:read",))
    answer = await runtime.http.post("/api/v1/agents/helper/message", json={"text": "Hello"}, headers=headers)
    assert answer.status_code == 403
