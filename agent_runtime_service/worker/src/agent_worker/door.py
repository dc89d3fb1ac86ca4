"""The worker's only way out: the front's door, over one kept-alive HTTP session."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Any, Self, cast
from uuid import UUID

import aiohttp
import orjson

from agent_worker.failures import RunFailed
from kgents_shared.contracts.worker import (
    EPOCH_HEADER,
    INSTANCE_HEADER,
    RUN_HEADER,
    ContextChange,
    Message,
    ToolCallResult,
)

_JSON = {"Content-Type": "application/json"}
_READ_BYTES = 256 * 1024
_DOOR_PATIENCE_S = 10.0
_DOOR_PAUSE_S = 0.05


class Door:
    """Calls through the door at `address` (`unix:/path/door.sock` or `http://host:port`) as one instance.

    Where several fronts share a worker, a run names the door of the front that drives it. There is no time limit of its
    own: the run's deadline bounds every call.
    """

    def __init__(self, address: str, instance_id: UUID, token: str) -> None:
        self._address = address
        self._headers = {"Authorization": f"Bearer {token}", INSTANCE_HEADER: str(instance_id), **_JSON}
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Self:
        self._sessions[self._address] = self._open(self._address)
        return self

    def _open(self, address: str) -> aiohttp.ClientSession:
        unix_path = address.removeprefix("unix:")
        connector = aiohttp.UnixConnector(unix_path, limit=0) if unix_path != address else aiohttp.TCPConnector(limit=0)
        return aiohttp.ClientSession(
            connector=connector,
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=_READ_BYTES,
            auto_decompress=False,
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for session in self._sessions.values():
            await session.close()

    def for_run(self, run_id: UUID, epoch: int, address: str | None = None) -> "RunDoor":
        """The door as one run under one lease epoch uses it; at the address that the run names, where it names one."""
        if not self._sessions:
            raise RuntimeError("the door is not open")
        address = address or self._address
        session = self._sessions.get(address)
        if session is None:
            session = self._sessions[address] = self._open(address)
        base = "http://door" if address.startswith("unix:") else address.rstrip("/")
        return RunDoor(session, base, str(run_id), epoch)


class RunDoor:
    """The four calls that a run may make."""

    def __init__(self, session: aiohttp.ClientSession, base: str, run_id: str, epoch: int) -> None:
        self._session = session
        self._base = base
        self._run_id = run_id
        self._headers = {RUN_HEADER: run_id, EPOCH_HEADER: str(epoch)}

    def completion(
        self, provider: str, body: bytes, place: int = 0
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """`model_call` on OpenAI's wire, which every provider takes."""
        return self.model_call(provider, "v1/chat/completions", body, place)

    @asynccontextmanager
    async def model_call(
        self, provider: str, path: str, body: bytes, place: int = 0
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """`POST /internal/llm/{provider}/{path}`, of the run's model or its fallback at that place.

        Raises `RunFailed` for what isn't a 200.
        """
        which = provider if place == 0 else f"{provider}@{place}"
        url = f"{self._base}/internal/llm/{which}/{path}"
        try:
            async with await self._send(url, body) as answer:
                if answer.status != 200:
                    raise _refusal(answer.status, await answer.read())
                yield answer
        except aiohttp.ClientPayloadError as error:
            detail = f"The provider {provider} broke off in the middle of its answer."
            raise RunFailed("provider_cut", detail, again=True) from error
        except aiohttp.ClientError as error:
            raise _door_away() from error

    async def store_step(self, message: Message) -> None:
        """Have an assistant message with tool calls stored; its tools run only after that."""
        body = b'{"message":' + message.model_dump_json().encode() + b"}"
        await self._post(f"/internal/runs/{self._run_id}/steps", body)

    async def store_context(self, change: ContextChange) -> None:
        """Have it kept what the model is shown no longer, for the messages to come."""
        await self._post(f"/internal/runs/{self._run_id}/context", change.model_dump_json().encode())

    async def call_tool(self, tool_call_id: str, name: str, arguments: dict[str, Any]) -> ToolCallResult:
        """Have a stored call carried out; the front keeps the result before it is given here."""
        body = orjson.dumps({"tool_call_id": tool_call_id, "name": name, "arguments": arguments})
        return ToolCallResult.model_validate_json(await self._post("/internal/tools/call", body))

    async def _send(self, url: str, body: bytes) -> aiohttp.ClientResponse:
        """Send, waiting a little for a door that does not listen: a front that starts again opens it in a moment."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _DOOR_PATIENCE_S
        while True:
            try:
                return await self._session.post(url, data=body, headers=self._headers)
            except aiohttp.ClientConnectorError:
                if loop.time() > until:
                    raise
            await asyncio.sleep(_DOOR_PAUSE_S)

    async def _post(self, path: str, body: bytes) -> bytes:
        try:
            async with await self._send(self._base + path, body) as answer:
                content = await answer.read()
                if answer.status >= 300:
                    raise _refusal(answer.status, content)
                return content
        except aiohttp.ClientError as error:
            raise _door_away() from error


def _refusal(status: int, body: bytes) -> RunFailed:
    """The front's problem document (RFC 9457) as the run's fault."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    problem = cast("dict[str, Any]", document) if isinstance(document, dict) else {}
    detail = str(problem.get("detail") or f"The door answered {status}.")
    return RunFailed(str(problem.get("code") or "door_refused"), detail, status=status)


def _door_away() -> RunFailed:
    return RunFailed("door_away", "The runtime's door can't be reached from the worker.", status=503)
