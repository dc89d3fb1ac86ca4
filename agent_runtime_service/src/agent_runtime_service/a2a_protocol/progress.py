"""A run's events as the protocol's: pieces of the answer, words on the way, the end."""

from collections.abc import Iterator

from a2a.server.events import Event

from agent_runtime_service.a2a_protocol.telling import TaskTeller, awaited_note
from agent_runtime_service.execution.active import WAITING
from agent_runtime_service.execution.feed import FeedEvent
from agent_runtime_service.messages.service import Ended


class Progress:
    """Remembers what was told of the answer, which is void when a step or another try follows."""

    def __init__(self, teller: TaskTeller) -> None:
        self._teller = teller
        self._said = ""

    def heard(self, event: FeedEvent) -> Iterator[Event]:
        """What to tell of an event."""
        if event.name == "delta":
            yield self._teller.piece(event.text, append=bool(self._said))
            self._said += event.text
        elif event.name == "reset":
            self._said = ""
        elif event.name == "step" and (event.payload or {}).get("role") == "assistant":
            self._said = ""
            calls = ", ".join(call["name"] for call in (event.payload or {}).get("tool_calls", ()))
            yield self._teller.status("running", f"It calls {calls}.")

    def ended(self, ended: Ended) -> Iterator[Event]:
        """What to tell of the end."""
        if ended.end.status == WAITING:
            yield self._teller.status(WAITING, awaited_note(ended.end.approvals))
            return
        if not self._said or ended.end.text != self._said:
            yield self._teller.piece(ended.end.text, append=False, last=True)
        yield self._teller.status("completed")
