"""Waiting for something that is told, and looking now and then all the same."""

import asyncio


async def woken(event: asyncio.Event, within_s: float) -> bool:
    """Wait until the event is set, or that many seconds; whether it was set, and then it isn't any more.

    Not `asyncio.wait_for`: on Python 3.11 that loses a cancellation that comes together with the event.
    """
    try:
        async with asyncio.timeout(within_s):
            await event.wait()
    except TimeoutError:
        return False
    event.clear()
    return True


async def first_of(within_s: float, *events: asyncio.Event) -> None:
    """Wait until one of the events is set, or that many seconds. None of them is cleared."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
