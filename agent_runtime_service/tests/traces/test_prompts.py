"""Prompts kept at the cost of what is new in each."""

from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from agent_runtime_service.traces.prompts import KeptPrompt, PromptMemory, prompt_bytes, whole_prompts

CONVERSATION = uuid4()
TOOLS = b'],"tools":[' + b'{"type":"function"},' * 40 + b"]}"


def prompt(messages: int) -> bytes:
    return b'{"messages":[' + b",".join(b'{"text":"message %d"}' % number for number in range(messages)) + TOOLS


def kept_of(memory: PromptMemory, bodies: dict[UUID, bytes]) -> dict[UUID, KeptPrompt]:
    kept = {call_id: memory.keep(CONVERSATION, call_id, body) for call_id, body in bodies.items()}
    return {call_id: row for call_id, row in kept.items() if row is not None}


def test_a_conversation_costs_what_is_new_in_each_prompt_and_is_read_whole():
    bodies = {uuid4(): prompt(number) for number in range(1, 130)}
    kept = kept_of(PromptMemory(), bodies)
    assert whole_prompts(kept) == bodies
    new = [len(row.middle) for row in kept.values() if row.of is not None]
    assert max(new) < 60
    assert sum(row.of is None for row in kept.values()) == 3  # the first, and one where a chain would be too long


@given(st.lists(st.binary(max_size=600), max_size=12), st.binary(min_size=250, max_size=300))
def test_whatever_was_sent_is_read_as_it_was(pieces: list[bytes], common: bytes):
    bodies = {uuid4(): common + piece + common for piece in pieces}
    assert whole_prompts(kept_of(PromptMemory(), bodies)) == bodies


def test_what_rests_on_a_prompt_that_is_gone_is_not_told_wrongly():
    bodies = {uuid4(): prompt(number) for number in range(1, 6)}
    kept = kept_of(PromptMemory(), bodies)
    first, second, *rest = kept
    del kept[second]
    assert set(whole_prompts(kept)) == {first}
    assert len(rest) == 3


def test_a_trace_has_no_more_of_its_prompts_than_may_be_looked_through():
    bodies = {uuid4(): prompt(number) for number in range(1, 40)}
    whole = whole_prompts(kept_of(PromptMemory(), bodies), most_bytes=10_000)
    assert 2 < len(whole) < 12
    assert whole == {call_id: bodies[call_id] for call_id in list(bodies)[: len(whole)]}


def test_the_memory_holds_no_more_than_it_may_and_prompts_that_are_too_long_are_not_kept():
    memory = PromptMemory(most_bytes=1_000)
    assert memory.keep(CONVERSATION, uuid4(), b"x" * 1_000_001) is None
    for _ in range(3):
        row = memory.keep(CONVERSATION, uuid4(), b"y" * 1_500)
        assert row is not None
        assert row.of is None


def test_images_are_not_kept_but_for_their_size():
    data = "data:image/png;base64," + "iVBOR" * 4_000
    sent = {"messages": [{"content": [{"type": "image_url", "image_url": {"url": data}}, {"text": "word " * 9_000}]}]}
    body = prompt_bytes(sent)
    assert b"iVBOR" not in body
    assert b"characters of data" in body
    assert body.count(b"word ") == 9_000
