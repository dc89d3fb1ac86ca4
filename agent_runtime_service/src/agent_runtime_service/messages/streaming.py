"""A run as server-sent events (WHATWG HTML §9.2): run, delta, reset, step; its end, or waiting_approval.

Only what is stored carries an id: a step, and the answer. Deltas are passing.
"""

from collections.abc import AsyncGenerator, Mapping
from typing import Any
from uuid import UUID

from agent_runtime_service.event_streams import KEEPALIVE, sse
from agent_runtime_service.execution.active import CANCELLED, WAITING
from agent_runtime_service.execution.feed import FeedEvent, Listener
from agent_runtime_service.messages.answers import answer_body, problem_of
from agent_runtime_service.messages.following import heard
from agent_runtime_service.messages.service import Accepted, Ended, MessageService
from kgents_shared.errors import ApiError


async def run_events(
    service: MessageService, accepted: Accepted, listener: Listener | None, more: Mapping[str, Any] | None = None
) -> AsyncGenerator[bytes]:
    """The events of a run until its end; a comment now and then keeps proxies from giving up.

    `more` is said beside the run's ids.
    """
    ids = {"run_id": accepted.run_id, "conversation_id": accepted.conversation_id, **(more or {})}
    yield sse("run", ids)
    try:
        async for event in heard(service, accepted, listener):
            if event is None:
                yield KEEPALIVE
            elif isinstance(event, Ended):
                yield _end(accepted, event, more or {})
            else:
                yield _of(event, accepted)
    except ApiError as error:
        yield sse("failed", {**ids, "code": error.code, "detail": error.detail, "status": error.status})


def _end(accepted: Accepted, ended: Ended, more: Mapping[str, Any]) -> bytes:
    end = ended.end
    if end.status == WAITING:
        return sse(WAITING, {**answer_body(accepted, ended), **more})
    if end.fault is None:
        told = {**answer_body(accepted, ended), **more}
        return sse("completed", told, event_id_of(accepted.conversation_id, end.final_seq))
    return sse(CANCELLED if end.status == CANCELLED else "failed", problem_of(accepted, end))


def _of(event: FeedEvent, accepted: Accepted) -> bytes:
    if event.name == "delta":
        return sse("delta", {"text": event.text})
    if event.name == "reset":
        return sse("reset", {})
    return sse("step", {"seq": event.seq, **(event.payload or {})}, event_id_of(accepted.conversation_id, event.seq))


def event_id_of(conversation_id: UUID, seq: int | None) -> str | None:
    """The id of what is stored at this place of a conversation."""
    return f"{conversation_id}:{seq}" if seq is not None else None
