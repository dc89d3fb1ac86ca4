"""Two runs side by side, however long they are."""

from datetime import UTC, datetime
from uuid import uuid4

from agent_runtime_service.replays.comparing import compared
from agent_runtime_service.traces.records import RunRecord, RunRecords, StepRecord

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def answered(text: str) -> RunRecords:
    run = RunRecord(
        uuid4(), uuid4(), "owner", "owner", uuid4(), "helper", 1, "completed", 1, "Hi", {}, None, NOW, NOW, NOW, None,
        0.0, None, None, None, None, None,
    )  # fmt: skip
    return RunRecords(run, [StepRecord(run.id, 2, "final", {"role": "assistant", "text": text}, NOW)])


def test_answers_of_very_many_lines_are_compared_by_their_beginnings():
    letters = [chr(0x4E00 + number) for number in range(105)]
    one = "\n".join(letters[number % 105] for number in range(9_999))
    other = "\n".join(letters[number % 105] if number % 2 else str(number) for number in range(4_000))
    found = compared(answered(one), answered(other))  # of all their lines it would take a minute
    assert not found.same_answer
    assert found.answer_diff[-2:] == ("-… (9999 lines)", "+… (4000 lines)")
    assert compared(answered("a\nb"), answered("a\nc")).answer_diff[2:] == ("@@ -1,2 +1,2 @@", " a", "-b", "+c")
