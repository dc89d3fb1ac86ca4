"""What waits in a service is let go by the signal that stops its server, which hears it all the same."""

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import FrameType

import pytest
from fastapi import FastAPI

from kgents_shared.http.ending import ending_with_signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_app_ends_with_the_signal_that_its_server_hears(number: signal.Signals):
    heard: list[int] = []

    def server(number: int, frame: FrameType | None) -> None:
        del frame
        heard.append(number)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        yield

    app = FastAPI(lifespan=lifespan)
    app.state.ending = asyncio.Event()
    before = signal.signal(number, server)
    try:
        async with ending_with_signals(app).router.lifespan_context(app):
            signal.raise_signal(number)
            await asyncio.wait_for(app.state.ending.wait(), 60)
        assert heard == [number]
        assert signal.getsignal(number) is server
    finally:
        signal.signal(number, before)
