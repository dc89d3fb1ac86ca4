"""W3C Trace Context: which trace of a caller's a run is part of."""

import re
from typing import Final

from fastapi import Request

from agent_runtime_service.messages.service import Accepted
from agent_runtime_service.traces.notes import RunNotes

# Of later versions the beginning is read as of this one (§4.3).
_TRACEPARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?"
)
_MOST_CHARS: Final = 256  # it is kept with the run


def note_traceparent(request: Request, accepted: Accepted) -> None:
    """Note the trace of a request that began a run, where it says one."""
    given = request.headers.get("traceparent")
    if given is None or len(given) > _MOST_CHARS or accepted.repeated or _TRACEPARENT.fullmatch(given) is None:
        return
    notes: RunNotes = request.app.state.run_notes
    notes.came_from(accepted.run_id, traceparent=given)


def read_traceparent(text: str | None) -> tuple[bytes, bytes] | None:
    """The ids of the trace and of the span that a run is below; None where it is below none."""
    found = None if text is None else _TRACEPARENT.fullmatch(text)
    return None if found is None else (bytes.fromhex(found[1]), bytes.fromhex(found[2]))
