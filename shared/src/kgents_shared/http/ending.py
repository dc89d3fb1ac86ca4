"""The end of a service that a server of its own serves: what waits is let go with the first signal."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from types import FrameType

from fastapi import FastAPI

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def ending_with_signals(app: FastAPI) -> FastAPI:
    """`app`, whose `ending` is set by the signals that stop its server: that waits for the answers under way.

    The embedded host tells its services itself; uvicorn tells nobody before all answers have ended.
    """
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(served: FastAPI) -> AsyncGenerator[None]:
        with _passed_on(app.state.ending):
            async with inner(served):
                yield

    app.router.lifespan_context = lifespan
    return app


@contextmanager
def _passed_on(ending: asyncio.Event) -> Generator[None]:
    """Set the event at the first signal, and pass every one on to whoever was to hear it."""
    loop = asyncio.get_running_loop()
    heard_by = {number: signal.getsignal(number) for number in _SIGNALS}

    def hear(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(ending.set)
        handler = heard_by[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number in _SIGNALS:
        signal.signal(number, hear)
    try:
        yield
    finally:
        for number, handler in heard_by.items():
            signal.signal(number, handler)
