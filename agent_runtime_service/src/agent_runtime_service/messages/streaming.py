"""A run as server-sent events (WHATWG HTML §9.2): run, delta, reset, step; completed, failed or waiting_approval.

Only what is stored carries an id: a step, and the answer. Deltas are passing.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import orjson

from agent_runtime_service.execution.active import WAITING
from agent_runtime_service.execution.feed import FeedEvent, Listener
from agent_runtime_service.messages.answers import answer_body, problem_of
from agent_runtime_service.messages.service import Accepted, MessageService
from kgents_shared.errors import ApiError

_KEEPALIVE_S = 15.0


def sse(name: str, data: dict[str, Any], event_id: str | None = None) -> bytes:
    """One event."""
    line = b"id: %b\n" % event_id.encode() if event_id is not None else b""
    return line + b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(data))


async def run_events(service: MessageService, accepted: Accepted, listener: Listener | None) -> AsyncGenerator[bytes]:
    """The events of a run until its end; a comment now and then keeps proxies from giving up."""
    ids = {"run_id": accepted.run_id, "conversation_id": accepted.conversation_id}
    yield sse("run", ids)
    if listener is not None:
        async for event in _alive(listener):
            yield _of(event, accepted) if event is not None else b": still running\n\n"
    ended = asyncio.ensure_future(service.outcome(accepted))
    try:
        while not (await asyncio.wait({ended}, timeout=_KEEPALIVE_S))[0]:
            yield b": still running\n\n"
        end = ended.result()
    except ApiError as error:
        yield sse("failed", {**ids, "code": error.code, "detail": error.detail, "status": error.status})
        return
    finally:
        ended.cancel()
    if end.end.status == WAITING:
        yield sse(WAITING, answer_body(accepted, end))
    elif end.end.fault is None:
        yield sse("completed", answer_body(accepted, end), _event_id(accepted, end.end.final_seq))
    else:
        yield sse("failed", problem_of(accepted, end.end))


async def _alive(listener: Listener) -> AsyncGenerator[FeedEvent | None]:
    """The listener's events, and None after each stretch of silence."""
    events = listener.events()
    upcoming = asyncio.ensure_future(anext(events, None))
    try:
        while True:
            if not (await asyncio.wait({upcoming}, timeout=_KEEPALIVE_S))[0]:
                yield None
                continue
            event = upcoming.result()
            if event is None:
                return
            yield event
            upcoming = asyncio.ensure_future(anext(events, None))
    finally:
        upcoming.cancel()


def _of(event: FeedEvent, accepted: Accepted) -> bytes:
    if event.name == "delta":
        return sse("delta", {"text": event.text})
    if event.name == "reset":
        return sse("reset", {})
    return sse("step", {"seq": event.seq, **(event.payload or {})}, _event_id(accepted, event.seq))


def _event_id(accepted: Accepted, seq: int | None) -> str | None:
    return f"{accepted.conversation_id}:{seq}" if seq is not None else None
