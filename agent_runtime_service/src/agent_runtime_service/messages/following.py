"""A run's events and its end, for who tells of them, in our protocol or another."""

import asyncio
from collections.abc import AsyncGenerator

from agent_runtime_service.event_streams import KEEPALIVE_S, with_silences
from agent_runtime_service.execution.feed import FeedEvent, Listener
from agent_runtime_service.messages.answers import failure_of
from agent_runtime_service.messages.service import Accepted, Ended, MessageService


async def follow(
    service: MessageService, accepted: Accepted, listener: Listener | None
) -> AsyncGenerator[FeedEvent | Ended | None]:
    """As `heard`; a run that failed or was cancelled raises its fault as an `ApiError`."""
    async for event in heard(service, accepted, listener):
        if isinstance(event, Ended) and event.end.fault is not None:
            raise failure_of(accepted, event.end)
        yield event


async def heard(
    service: MessageService, accepted: Accepted, listener: Listener | None
) -> AsyncGenerator[FeedEvent | Ended | None]:
    """The events of a run and then its end, `Ended`; None after each stretch of silence.

    Raises what waiting for the end raises.
    """
    if listener is not None and accepted.active is not None:
        try:
            async for event in with_silences(listener.events()):
                yield event
        finally:
            accepted.active.feed.leave(listener)
    ended = asyncio.ensure_future(service.outcome(accepted))
    try:
        while not (await asyncio.wait({ended}, timeout=KEEPALIVE_S))[0]:
            yield None
        yield ended.result()
    finally:
        ended.cancel()
