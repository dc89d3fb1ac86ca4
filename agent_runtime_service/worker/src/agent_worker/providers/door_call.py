"""A provider's client asks the door: which run it asks for, and what came of it.

The clients of providers are made once in a process and know nothing of runs; whose call it is stands in a context
variable, which holds for the task that asks.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

import aiohttp
import orjson

from agent_worker.door import RunDoor
from agent_worker.failures import RunFailed
from kgents_shared.contracts.worker import FAULT_MARK

BASE_URL: Final = "http://door"
NO_KEY: Final = "none-here"
"""What clients are given that insist on a key: the account's own is put in behind the door."""


@dataclass(slots=True)
class DoorCall:
    """One model call. `failure` is what the door said against it, before its answer or in the middle of it."""

    door: RunDoor
    provider: str
    place: int
    failure: RunFailed | None = None

    def open(self, path: str, body: bytes) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Ask; `path` is the provider's own."""
        return self.door.model_call(self.provider, path.lstrip("/"), body, self.place)

    async def pieces(self, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """The answer's bytes; where the door breaks it off, they end there and `failure` says why."""
        told: list[bytes] = []
        try:
            async for data in answer.content.iter_any():
                if told:
                    told.append(data)
                    continue
                said, mark, rest = data.partition(FAULT_MARK)
                if said:
                    yield said
                if mark:
                    told.append(rest)
        except aiohttp.ClientError:
            self.failure = self._cut()
        if told:
            self.failure = self._told(b"".join(told))

    def _cut(self) -> RunFailed:
        detail = f"The provider {self.provider} broke off in the middle of its answer."
        return RunFailed("provider_cut", detail, again=True)

    def _told(self, mark: bytes) -> RunFailed:
        try:
            problem = cast("dict[str, Any]", orjson.loads(mark))["error"]
            code = str(problem["code"])
            return RunFailed(code, str(problem["detail"]), status=int(problem["status"]), again=code == "provider_cut")
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            return self._cut()


class DoorAnswer:
    """An answer that comes through the door, as the streams of HTTP clients are: read to its end, then closed."""

    def __init__(self, stack: AsyncExitStack, call: DoorCall, answer: aiohttp.ClientResponse) -> None:
        self._stack = stack
        self._call = call
        self._answer = answer

    @property
    def headers(self) -> dict[str, str]:
        """What a client is told of it."""
        return {"Content-Type": self._answer.content_type}

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for data in self._call.pieces(self._answer):
            yield data

    async def aclose(self) -> None:
        """Let it go."""
        await self._stack.aclose()


AnswerT = TypeVar("AnswerT", bound=DoorAnswer)


async def ask_door(kind: type[AnswerT], path: str, body: bytes) -> AnswerT:
    """Ask as the run of the task that asks; what the door refuses is raised, and kept with the call."""
    call = CURRENT_CALL.get()
    stack = AsyncExitStack()
    try:
        answer = await stack.enter_async_context(call.open(path, body))
    except RunFailed as failed:
        call.failure = failed
        raise
    return kind(stack, call, answer)


CURRENT_CALL: ContextVar[DoorCall] = ContextVar("kgents_door_call")
