"""Server-sent events (WHATWG HTML §9.2): one event, and streams that don't fall silent."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final, TypeVar

import orjson

EventT = TypeVar("EventT")
NO_BUFFER: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""Headers that have proxies pass each event on as it comes."""
KEEPALIVE_S: Final = 15.0
KEEPALIVE: Final = b": still running\n\n"
"""A comment, which keeps proxies from giving up."""


def sse(name: str, data: dict[str, Any], event_id: str | None = None) -> bytes:
    """One event."""
    line = b"id: %b\n" % event_id.encode() if event_id is not None else b""
    return line + b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(data))


def keepalive_s() -> float:
    """How long a stream may be silent."""
    return KEEPALIVE_S


async def with_silences(
    events: AsyncGenerator[EventT],
    ending: asyncio.Event | None = None,
    silence_s: Callable[[], float] = keepalive_s,
) -> AsyncGenerator[EventT | None]:
    """The events, and None after each stretch of silence, until there are no more or `ending` is set."""
    upcoming = asyncio.ensure_future(anext(events, None))
    ends = None if ending is None else asyncio.ensure_future(ending.wait())
    try:
        while True:
            awaited = {upcoming} if ends is None else {upcoming, ends}
            done, _ = await asyncio.wait(awaited, timeout=silence_s(), return_when="FIRST_COMPLETED")
            if ends in done:
                return
            if not done:
                yield None
                continue
            event = upcoming.result()
            if event is None:
                return
            yield event
            upcoming = asyncio.ensure_future(anext(events, None))
    finally:
        if ends is not None:
            ends.cancel()
        upcoming.cancel()
        await asyncio.wait({upcoming})
        await events.aclose()
