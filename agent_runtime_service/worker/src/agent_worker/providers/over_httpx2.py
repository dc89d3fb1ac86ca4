"""The door as a transport of httpx2, which is what some providers' clients are built on."""

import httpx2

from agent_worker.providers.door_call import DoorAnswer, ask_door


class DoorTransport(httpx2.AsyncBaseTransport):
    """Sends what a client asks for through the door, as the run of the task that asks."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """A 200 with the provider's stream; what the door refuses is raised, and kept with the call."""
        answer = await ask_door(_Stream, request.url.path, await request.aread())
        return httpx2.Response(200, headers=answer.headers, stream=answer)

    def close(self) -> None:
        """Some clients have a synchronous side, which is never used and closes this as its own."""


class _Stream(DoorAnswer, httpx2.AsyncByteStream):
    """What the library knows as a stream."""
