"""What the front is told of a run: events as lines of JSON, in as few writes as they need."""

import asyncio

from aiohttp import web

from kgents_shared.contracts.worker import WorkerEvent

_TYPE = "application/x-ndjson"


class Lines:
    """Sends each event as it comes, but for the first ones: those wait until the loop has nothing else to do.

    A run whose answer is there at once is told of in one piece: each write is a system call, and wakes the front. Call
    `stop` in any case.
    """

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._first: list[bytes] = []
        self._soon: asyncio.Handle | None = None
        self._opening: asyncio.Task[web.StreamResponse] | None = None

    async def add(self, event: WorkerEvent) -> None:
        """Tell of something that happened."""
        stream = await self._stream()
        if stream is not None:
            await stream.write(_line(event))
            return
        self._first.append(_line(event))
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_soon(self._open)

    async def end(self, event: WorkerEvent) -> web.StreamResponse:
        """Tell of the end; the answer to be given, which is sent already where there was more to tell before."""
        stream = await self._stream()
        if stream is None:
            self.stop()
            return web.Response(body=b"".join((*self._first, _line(event))), content_type=_TYPE)
        await stream.write_eof(_line(event))
        return stream

    def stop(self) -> None:
        """Send nothing more by itself."""
        if self._soon is not None:
            self._soon.cancel()
        if self._opening is not None:
            self._opening.cancel()

    def _open(self) -> None:
        self._opening = asyncio.create_task(self._opened())

    async def _stream(self) -> web.StreamResponse | None:
        """What is told by, once the first lines are out."""
        # Shielded: a run that is cancelled meanwhile has yet to tell that it was.
        return None if self._opening is None else await asyncio.shield(self._opening)

    async def _opened(self) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": _TYPE})
        await stream.prepare(self._request)
        await stream.write(b"".join(self._first))
        return stream


def _line(event: WorkerEvent) -> bytes:
    return event.model_dump_json().encode() + b"\n"
