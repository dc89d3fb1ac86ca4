"""What of a conversation a model is shown, and how its size is counted."""

import json
from typing import Any

import pytest
from aiohttp import web
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.messages.utils import count_tokens_approximately

from agent_worker.conversation import Conversation
from agent_worker.window import TokenGauge
from kgents_shared.contracts.worker import Message, PinnedFact, Remembered, ToolCall
from kgents_shared.token_counting import tokens_of, tokens_of_all, tokens_of_text

from .conftest import say

ENGLISH = "The quick brown fox jumps over the lazy dog, and nobody knows why it does so again and again. " * 4


def exchanges(number: int, text: str = ENGLISH) -> list[dict[str, Any]]:
    """A transcript whose newest message is the user's."""
    said = [{"role": role, "text": f"{place}: {text}"} for place in range(number) for role in ("user", "assistant")]
    return [*said, {"role": "user", "text": "And now?"}]


async def refuse(_: web.Request) -> web.StreamResponse:
    body = {"code": "context_too_long", "detail": "The provider takes no request as long as this.", "status": 422}
    return web.Response(status=422, body=json.dumps(body), content_type="application/problem+json")


def test_english_is_counted_as_langchain_counts_it():
    ours = tokens_of_all([Message(role="user", text=ENGLISH), Message(role="assistant", text=ENGLISH)])
    theirs = count_tokens_approximately([HumanMessage(ENGLISH), AIMessage(ENGLISH)])
    assert abs(ours - theirs) <= 0.05 * theirs


def test_what_is_not_latin_is_counted_by_its_bytes():
    assert tokens_of_text("日本語のテキスト") == 6
    assert tokens_of_text("Привет, мир") == 5


@pytest.mark.parametrize("real", [0.6, 1.0, 1.4, 3.0])
def test_the_count_is_off_by_less_than_a_tenth_once_a_provider_has_told(real: float):
    gauge = TokenGauge()
    for counted in range(200, 2200, 200):
        gauge.learn(counted, round(counted * real))
    assert abs(gauge.told(5000) - 5000 * real) < 0.1 * 5000 * real
    assert gauge.counted(8000) == pytest.approx(8000 / real, rel=0.1)


def test_a_conversation_is_cut_before_questions_alone():
    messages = [
        Message(role="user", text="a" * 400),
        Message(role="assistant", text="", tool_calls=(ToolCall(id="c1", name="t", arguments={}),)),
        Message(role="tool", text="b" * 400, tool_call_id="c1"),
        Message(role="assistant", text="c" * 400),
        Message(role="user", text="d" * 40),
    ]
    conversation = Conversation(messages, None, 100)
    everything = tokens_of_all(messages)
    assert conversation.tokens == everything
    assert [conversation.first_that_fits(room) for room in (0, 220, everything - 1, everything)] == [4, 4, 4, 0]


def test_the_newest_facts_have_the_room_and_stand_before_the_first_message():
    facts = tuple(PinnedFact(key=f"k{number}", text="v" * 100) for number in range(10))
    shown = Conversation([Message(role="user", text="Hi")], Remembered(facts=facts, summary="S."), 60).shown()
    assert [line[:4] for line in shown[0].text.splitlines() if line.startswith("- ")] == ["- k8", "- k9"]
    assert shown[0].text.endswith("\nS.\n</remembered>\n\nHi")


async def test_what_falls_out_of_the_window_is_summarised_by_the_same_model(worker: Any):
    worker.door.answers += [say("They spoke of a fox."), say("Nothing new.")]
    events = await worker.run(worker.request(*exchanges(10), window_tokens=1000))
    assert (events[-1]["type"], events[-1]["text"]) == ("final", "Nothing new.")
    assert [event["type"] for event in events] == ["delta", "final"]
    (change,) = worker.door.contexts
    assert (change["reason"], change["summary"], change["failure"]) == ("window", "They spoke of a fox.", None)
    assert change["tokens_after"] <= 500
    assert change["tokens_before"] > 1000
    asked = worker.door.completions[1]["messages"]
    assert len(asked) == 1 + 21 - change["forgotten"]
    assert "They spoke of a fox." in asked[1]["content"]
    assert asked[1]["role"] == "user"


async def test_results_of_one_answers_tools_are_shortened_and_its_calls_stay(worker: Any):
    calls = [{"id": f"c{number}", "name": "time.now", "arguments": {}} for number in range(6)]
    steps: list[dict[str, Any]] = []
    for call in calls:
        steps += [
            {"role": "assistant", "text": "", "tool_calls": [call]},
            {"role": "tool", "text": "r" * 2000, "tool_call_id": call["id"]},
        ]
    await worker.run(worker.request({"role": "user", "text": "Go"}, *steps, window_tokens=1000, max_steps=9))
    (change,) = worker.door.contexts
    assert (change["forgotten"], change["summary"]) == (0, None)
    assert change["shortened"] >= 4
    asked = worker.door.completions[0]["messages"]
    assert len(asked) == 14
    assert "are not shown any more" in asked[3]["content"]
    assert sum(tokens_of_text(str(message["content"])) for message in asked) <= 1000


async def test_what_the_provider_refuses_as_too_long_is_halved_once(own_worker: Any):
    door = own_worker.door
    door.answers += [refuse, say("They spoke of a fox."), say("Here you are.")]
    events = await own_worker.run(own_worker.request(*exchanges(6)))
    assert [event["type"] for event in events] == ["reset", "delta", "final"]
    (change,) = door.contexts
    assert (change["reason"], change["summary"]) == ("refused", "They spoke of a fox.")
    assert change["tokens_after"] <= change["tokens_before"] / 2
    # It is known from now on what this model takes, and what it refuses all the same is refused.
    door.forget()
    door.answers += [say("A fox."), refuse, refuse, refuse]
    events = await own_worker.run(own_worker.request(*exchanges(6)))
    assert (events[-1]["type"], events[-1]["code"]) == ("failed", "context_too_long")
    assert [change["reason"] for change in door.contexts] == ["window", "refused"]


async def test_without_a_summary_the_oldest_are_dropped(worker: Any):
    worker.door.answers += [refuse, say("Gone on.")]
    events = await worker.run(worker.request(*exchanges(10), window_tokens=1000))
    assert events[-1]["text"] == "Gone on."
    (change,) = worker.door.contexts
    assert (change["summary"], change["failure"]) == (None, "context_too_long")
    assert "neither shown nor summarised" in worker.door.completions[1]["messages"][1]["content"]


async def test_a_message_that_does_not_fit_is_refused_unasked(worker: Any):
    events = await worker.run(worker.request({"role": "user", "text": "x" * 40_000}, window_tokens=500))
    assert (events[-1]["code"], events[-1]["status"]) == ("message_too_long", 422)
    assert worker.door.completions == []


def test_a_message_counts_its_calls():
    call = ToolCall(id="c", name="time.now", arguments={"zone": "UTC"})
    assert tokens_of(Message(role="assistant", text="", tool_calls=(call,))) > tokens_of(
        Message(role="assistant", text="")
    )
