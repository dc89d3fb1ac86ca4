"""Ends a worker that a flow holds up for good."""

import asyncio
import contextlib
import faulthandler
from collections.abc import AsyncGenerator

STUCK_S = 60.0
_BEATS = 6


@contextlib.asynccontextmanager
async def ended_when_stuck(stuck_s: float = STUCK_S) -> AsyncGenerator[None]:
    """Ends the process with code 1 and a traceback on stderr once its event loop has stood still for `stuck_s` seconds.

    Components run in the loop, some of them in one piece: a regular expression that never ends would leave a worker
    that answers nobody, and holds the interpreter's lock, so that no thread of Python's could tell.
    """
    beating = asyncio.create_task(_beat(stuck_s))
    try:
        yield
    finally:
        beating.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await beating
        faulthandler.cancel_dump_traceback_later()


async def _beat(stuck_s: float) -> None:
    while True:
        faulthandler.dump_traceback_later(stuck_s, exit=True)
        await asyncio.sleep(stuck_s / _BEATS)
