"""An answer that is begun anew while it is streamed to somebody who can't be told to forget."""

from uuid import uuid4

import pytest

from agent_runtime_service.execution.active import RunEnd
from agent_runtime_service.execution.feed import FeedEvent
from agent_runtime_service.messages.service import Ended
from agent_runtime_service.openai_api.spoken import Spoken
from kgents_shared.errors import BadGateway


def heard(*events: FeedEvent) -> tuple[Spoken, str]:
    spoken = Spoken()
    return spoken, "".join(spoken.hear(event) for event in events)


def delta(text: str) -> FeedEvent:
    return FeedEvent("delta", text=text)


def ended(text: str) -> Ended:
    return Ended(RunEnd("completed", text=text), {})


def test_an_answer_that_becomes_the_same_again_goes_on_where_it_broke_off():
    spoken, said = heard(delta("One, "), FeedEvent("reset"), delta("One, two"), delta(", three."))
    assert said == "One, "
    assert said + spoken.end(ended("One, two, three.")) == "One, two, three."


def test_an_answer_that_becomes_another_is_a_fault():
    spoken, _ = heard(delta("One, "), FeedEvent("reset"), delta("Uno"))
    with pytest.raises(BadGateway) as fault:
        spoken.end(ended("Uno, dos."))
    assert fault.value.code == "answer_reset"


def test_nothing_was_said_before_the_reset_so_nothing_is_to_be_forgotten():
    spoken, said = heard(FeedEvent("reset"), delta("Uno"), delta(", dos."))
    assert said == "Uno, dos."
    assert spoken.end(ended("Uno, dos.")) == ""


def test_what_is_said_between_calls_of_tools_stands_apart():
    step = FeedEvent(
        "step", seq=2, payload={"role": "assistant", "text": "Let me look.", "tool_calls": [{"id": str(uuid4())}]}
    )
    result = FeedEvent("step", seq=3, payload={"role": "tool", "text": "12"})
    spoken, said = heard(delta("Let me look."), step, result, delta("It is "), delta("12."))
    assert said + spoken.end(ended("It is 12.")) == "Let me look.\n\nIt is 12."
