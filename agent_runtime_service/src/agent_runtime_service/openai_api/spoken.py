"""What a listener who can't be told to forget has heard of an answer."""

from agent_runtime_service.errors import ApprovalRequired
from agent_runtime_service.execution.active import WAITING
from agent_runtime_service.execution.feed import FeedEvent
from agent_runtime_service.messages.service import Accepted, Ended
from kgents_shared.errors import BadGateway

_BETWEEN_STEPS = "\n\n"


def refuse_waiting(accepted: Accepted, ended: Ended, *, is_stored: bool = True) -> None:
    """Raise `ApprovalRequired` for a run that waits for a person: there is no answer that says so, or none who could
    fetch its end, where it isn't stored.
    """
    if ended.end.status != WAITING:
        return
    tools = ", ".join(sorted({approval.tool for approval in ended.end.approvals}))
    then = f"The run goes on by itself then: GET /api/v1/runs/{accepted.run_id} has its answer."
    if not is_stored:
        then = "This one isn't stored and so was cancelled: ask for it without store: false."
    raise ApprovalRequired(
        f"The agent wants to call {tools}, and somebody has to approve that first. {then}",
        extra={
            "run_id": str(accepted.run_id),
            "conversation_id": str(accepted.conversation_id),
            "approvals": [approval.as_json() for approval in ended.end.approvals],
        },
    )


class Spoken:
    """Pieces of text in order. After a reset nothing is passed on until the answer is whole: it may have become
    another, and what was said can't be taken back.
    """

    def __init__(self) -> None:
        self._said = ""  # of the step that is under way
        self._between = ""
        self._is_reset = False

    def hear(self, event: FeedEvent) -> str:
        """The text to pass on for an event, most often its own."""
        if event.name == "reset":
            self._is_reset = self._is_reset or bool(self._said)
        elif event.name == "step":
            if self._said and (event.payload or {}).get("role") == "assistant":
                self._between, self._said, self._is_reset = _BETWEEN_STEPS, "", False
        elif event.name == "delta" and not self._is_reset:
            self._said += event.text
            between, self._between = self._between, ""
            return between + event.text
        return ""

    def end(self, ended: Ended) -> str:
        """What is still to be said at the end. Raises `ApiError` where the answer isn't the one that was heard."""
        text = ended.end.text
        if not text.startswith(self._said):
            raise BadGateway(
                "The answer was begun anew in the middle; the run has it as it became.", code="answer_reset"
            )
        between = self._between if text[len(self._said) :] else ""
        return between + text[len(self._said) :]
