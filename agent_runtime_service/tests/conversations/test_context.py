"""What of a conversation its model is shown: a window, summaries of what falls out, what is pinned, resets."""

import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

import pytest

from kgents_shared.testing.model_answers import Reply, StatusFault, ToolCall
from kgents_shared.testing.model_requests import ModelRequest, text_of
from kgents_shared.testing.model_server import ModelServer
from kgents_shared.token_counting import tokens_of_text
from tests.external.running_runtime import Runtime
from tests.external.runtime_siblings import RuntimeSiblings

StartRuntime = Callable[..., AbstractAsyncContextManager[Runtime]]

WINDOW = 500
# An exchange is about 50 tokens: ten of them fill the window.
FILLER = "and more words that only take up room in what the model is shown of all this talk, of which there is a lot"


def is_summary(request: ModelRequest) -> bool:
    return "You keep the notes" in text_of(request.messages[0])


def shown(request: ModelRequest) -> str:
    return "\n".join(text_of(message) for message in request.messages)


def prompt_tokens(request: ModelRequest) -> int:
    return sum(4 + tokens_of_text(text_of(message)) for message in request.messages)


def shown_tokens(request: ModelRequest) -> int:
    """Those of the conversation, with a short answer."""
    return prompt_tokens(request) - 4 - tokens_of_text(text_of(request.messages[0])) + 9


def notes_or_answer(request: ModelRequest) -> Reply:
    """A model that knows the code words that it is shown, and keeps them in its notes."""
    said = "\n".join(text_of(message) for message in request.messages[1:])
    known = sorted(set(re.findall(r"code-\d+", said)))
    text = f"The user gave {', '.join(known)}." if is_summary(request) else f"I know {len(known)} of them."
    return Reply(text=text, prompt_tokens=prompt_tokens(request))


def of_conversation(identifier: str, *rest: str) -> str:
    return "/".join(["/api/v1/conversations", identifier, *rest])


async def talk(runtime: Runtime, numbers: range, conversation_id: str | None = None) -> str:
    for number in numbers:
        answer = await runtime.say(f"The next is code-{number}. {FILLER}", conversation_id)
        conversation_id = answer["conversation_id"]
    return str(conversation_id)


async def context_of(runtime: Runtime, conversation_id: str) -> dict[str, Any]:
    answer = await runtime.ask("GET", of_conversation(conversation_id, "context"))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_thirty_exchanges_with_a_window_of_ten(runtime: Runtime, model: ModelServer):
    model.answer_with(notes_or_answer)
    await runtime.add_agent(memory={"window_tokens": WINDOW})
    conversation_id = None
    for number in range(30):
        answer = await runtime.say(f"The next is code-{number}. {FILLER}", conversation_id)
        conversation_id = answer["conversation_id"]
        assert answer["text"] == f"I know {number + 1} of them."
    summaries = [request for request in model.completions if is_summary(request)]
    asked = [request for request in model.completions if not is_summary(request)]
    assert len(asked) == 30
    assert 3 <= len(summaries) <= 8
    assert max(prompt_tokens(request) for request in asked) <= WINDOW * 1.1
    assert max(len(request.messages) for request in asked) <= 24
    assert f"code-0. {FILLER}" not in shown(asked[-1])
    assert len(await runtime.transcript(str(conversation_id))) == 60

    view = await context_of(runtime, str(conversation_id))
    assert "code-0" in view["summary"]
    assert (view["window_tokens"], view["gap"]) == (WINDOW, False)
    assert view["context_from"] == view["summary_of_seq"] + 1 == view["messages"][0]["seq"]
    assert view["tokens"] <= WINDOW
    assert view["tokens"] == pytest.approx(shown_tokens(asked[-1]), rel=0.1)
    assert len(view["changes"]) == len(summaries)
    newest = view["changes"][0]
    assert (newest["reason"], newest["summarised"], newest["failure"]) == ("window", True, None)
    assert newest["tokens_after"] < newest["tokens_before"]
    # A summary is a call of the model's like any other.
    summarising = await runtime.run(newest["run_id"])
    assert summarising["usage"]["model_calls"] == 2

    # What the worker learns of how its model counts holds for what is told, too.
    model.answer_with(lambda request: Reply(text="Yes.", prompt_tokens=2 * prompt_tokens(request)))
    await runtime.say("Is it?", str(conversation_id))
    told = (await context_of(runtime, str(conversation_id)))["tokens"]
    assert told == pytest.approx(1.3 * shown_tokens(model.completions[-1]), rel=0.1)


async def test_facts_are_pinned_and_a_context_is_reset(runtime: Runtime, model: ModelServer):
    await runtime.add_agent()
    mine = (await runtime.say("Hello"))["conversation_id"]
    for key, text in (("name", "Ada"), ("zone", "CET"), ("name", "Ada Lovelace")):
        pinned = await runtime.ask("PUT", of_conversation(mine, "facts", key), json={"text": text})
        assert (pinned.status_code, pinned.json()["text"], pinned.json()["shared"]) == (200, text, False)
    await runtime.say("Who am I?", mine)
    assert "- zone: CET\n- name: Ada Lovelace\n" in shown(model.completions[-1])
    assert "Ada" not in text_of(model.completions[-1].messages[0])

    assert (await runtime.ask("POST", of_conversation(mine, "reset"))).status_code == 204
    view = await context_of(runtime, mine)
    assert (view["messages"], view["summary"], view["gap"], view["context_from"]) == ([], None, False, 5)
    assert [fact["key"] for fact in view["facts"]] == ["zone", "name"]
    await runtime.say("And now?", mine)
    assert [message["role"] for message in model.completions[-1].messages] == ["system", "user"]
    assert "- zone: CET" in shown(model.completions[-1])
    assert len(await runtime.transcript(mine)) == 6

    assert (await runtime.ask("DELETE", of_conversation(mine, "facts", "zone"))).status_code == 204
    again = await runtime.ask("DELETE", of_conversation(mine, "facts", "zone"))
    assert (again.status_code, again.json()["code"]) == (404, "fact_not_found")
    for text, status in (("", 422), ("x" * 2001, 422)):
        path = of_conversation(mine, "facts", "k")
        assert (await runtime.ask("PUT", path, json={"text": text})).status_code == status
    for number in range(49):
        path = of_conversation(mine, "facts", f"k{number}")
        assert (await runtime.ask("PUT", path, json={"text": "v"})).status_code == 200
    full = await runtime.ask("PUT", of_conversation(mine, "facts", "one-more"), json={"text": "v"})
    assert (full.status_code, full.json()["code"]) == (409, "too_many_facts")

    others: dict[str, Any] = {"owner": "somebody-else"}
    assert (
        await runtime.ask("PUT", of_conversation(mine, "facts", "k"), json={"text": "v"}, **others)
    ).status_code == 404
    assert (await runtime.ask("DELETE", of_conversation(mine, "facts", "name"), **others)).status_code == 404
    assert (await runtime.ask("GET", of_conversation(mine, "context"), **others)).status_code == 404
    assert (await runtime.ask("POST", of_conversation(mine, "reset"), **others)).status_code == 404
    assert (await runtime.ask("DELETE", of_conversation(mine), **others)).status_code == 404
    assert (await runtime.ask("DELETE", of_conversation(mine))).status_code == 204
    assert (await runtime.ask("GET", of_conversation(mine))).status_code == 404
    assert (await runtime.send("Still there?", mine)).status_code == 404


async def test_without_a_summary_the_oldest_are_dropped_and_that_is_told(runtime: Runtime, model: ModelServer):
    model.answer_with(lambda asked: StatusFault(401) if is_summary(asked) else notes_or_answer(asked))
    await runtime.add_agent(memory={"window_tokens": WINDOW})
    mine = await talk(runtime, range(14))
    view = await context_of(runtime, mine)
    assert (view["summary"], view["gap"]) == (None, True)
    assert {(change["summarised"], change["failure"]) for change in view["changes"]} == {(False, "provider_refused")}
    assert "neither shown nor summarised" in shown(model.completions[-1])
    model.answer_with(notes_or_answer)
    await talk(runtime, range(14, 24), mine)
    view = await context_of(runtime, mine)
    assert view["gap"] is False
    assert re.search(r"code-\d", view["summary"])


async def test_what_is_too_long_for_the_model_is_halved_once(runtime: Runtime, model: ModelServer):
    limit = 400

    def small(request: ModelRequest) -> Reply | StatusFault:
        if prompt_tokens(request) <= limit:
            return notes_or_answer(request)
        return StatusFault(400, f"This model's maximum context length is {limit} tokens.")

    model.answer_with(small)
    await runtime.add_agent()
    mine = await talk(runtime, range(12))
    view = await context_of(runtime, mine)
    assert {(change["reason"], change["summarised"]) for change in view["changes"]} == {("refused", True)}
    alone = await runtime.send("x" * 8 * limit)
    assert (alone.status_code, alone.json()["code"]) == (422, "message_too_long")


async def test_calls_and_their_results_never_part(runtime: Runtime, model: ModelServer, siblings: RuntimeSiblings):
    model.answer_with(notes_or_answer)
    await runtime.add_agent(memory={"window_tokens": WINDOW}, tools={"allow": ["time.*"]})
    mine = None
    for number in range(8):
        calls = tuple(ToolCall("time_now", '{"zone": "%s"}' % ("z" * 150), f"c{number}{place}") for place in range(2))
        model.script(Reply(tool_calls=calls))
        mine = (await runtime.say(f"The next is code-{number}.", mine))["conversation_id"]
    for request in model.completions:
        calls = [cast("list[dict[str, str]]", message.get("tool_calls") or []) for message in request.messages]
        called = [call["id"] for made in calls for call in made]
        answered = [message["tool_call_id"] for message in request.messages if message["role"] == "tool"]
        assert called == answered
        assert request.messages[1]["role"] == "user"
    assert any(is_summary(request) for request in model.completions)
    # A message longer than the window is refused before any model is asked.
    before = len(model.completions)
    refused = await runtime.send("x" * 32 * WINDOW, mine)
    assert (refused.status_code, refused.json()["code"]) == (422, "message_too_long")
    assert len(model.completions) == before


async def test_agents_that_share_share_facts_and_summaries_with_their_user_alone(runtime: Runtime, model: ModelServer):
    model.answer_with(notes_or_answer)
    memory = {"window_tokens": WINDOW, "shared": True}
    await runtime.add_agent(memory=memory)
    await runtime.add_agent("second", memory=memory)
    await runtime.add_agent("alone")
    mine = await talk(runtime, range(12))
    pinned = await runtime.ask("PUT", of_conversation(mine, "facts", "name"), json={"text": "Ada"})
    assert pinned.json()["shared"] is True
    there = await runtime.say("Hello", agent="second")
    said = shown(model.completions[-1])
    assert "- name: Ada" in said
    assert "- with helper: The user gave code-0" in said
    view = await context_of(runtime, there["conversation_id"])
    assert (view["shares"], view["facts"][0]["shared"], view["elsewhere"][0]["agent"]) == (True, True, "helper")
    await runtime.say("Hello", agent="alone")
    assert "Ada" not in shown(model.completions[-1])
    path = of_conversation(there["conversation_id"], "facts", "name")
    assert (await runtime.ask("DELETE", path)).status_code == 204
    assert (await context_of(runtime, mine))["facts"] == []


async def test_a_context_outlives_the_front_and_the_worker(start_runtime: StartRuntime, model: ModelServer):
    model.answer_with(notes_or_answer)
    memory = {"window_tokens": WINDOW}
    async with start_runtime() as runtime:
        await runtime.add_agent(memory=memory)
        mine = await talk(runtime, range(12))
        await runtime.ask("PUT", of_conversation(mine, "facts", "name"), json={"text": "Ada"})
        before, owner, agent_id = await context_of(runtime, mine), runtime.owner, runtime.workers[0].agent_id
    async with start_runtime() as again:
        again.owner = owner
        worker = await again.add_agent(memory=memory, register=False)
        worker.agent_id = agent_id
        await again.register(worker)
        after = await context_of(again, mine)
        # A new worker has yet to learn how its model counts.
        assert after.pop("tokens") == pytest.approx(before.pop("tokens"), rel=0.1)
        assert {**after, "window_tokens": WINDOW} == before
        await again.say("Who am I, and what did I tell you first?", mine)
        said = shown(model.completions[-1])
        assert "- name: Ada" in said
        assert "code-0" in said
