"""The door as a transport of httpx, which is what some providers' clients are built on."""

import httpx

from agent_worker.providers.door_call import DoorAnswer, ask_door


class DoorTransport(httpx.AsyncBaseTransport):
    """Sends what a client asks for through the door, as the run of the task that asks."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """A 200 with the provider's stream; what the door refuses is raised, and kept with the call."""
        answer = await ask_door(_Stream, request.url.path, await request.aread())
        return httpx.Response(200, headers=answer.headers, stream=answer)

    def close(self) -> None:
        """Some clients have a synchronous side, which is never used and closes this as its own."""


class _Stream(DoorAnswer, httpx.AsyncByteStream):
    """What the library knows as a stream."""
