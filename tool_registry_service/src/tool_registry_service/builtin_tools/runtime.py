"""What the runtime keeps and runs for builtin tools, as Protocols with an HTTP implementation."""

from typing import Final, Protocol

from kgents_shared.contracts.asking import AskAgent, AskCapability, AskedAnswer
from kgents_shared.contracts.memories import (
    FoundMemories,
    GottenMemory,
    Memory,
    MemoryByKey,
    MemorySearch,
    MemoryVersions,
    NewMemory,
    PutMemory,
)
from kgents_shared.errors import ApiError, Unavailable
from kgents_shared.http.client import CallFailed, ServiceClient
from tool_registry_service.errors import ConnectionLost, ToolCallFault

_ANSWER_WITHIN_S: Final = 3_700
_KEPT_WITHIN_S: Final = 15


class Memories(Protocol):
    """What agents keep."""

    async def store(self, new: NewMemory) -> Memory:
        """Keep a text; raises `ToolCallFault`."""
        ...

    async def search(self, asked: MemorySearch) -> FoundMemories:
        """Find texts; raises `ToolCallFault`."""
        ...

    async def put(self, new: PutMemory) -> Memory:
        """Have a key have a value; raises `ToolCallFault`."""
        ...

    async def get(self, asked: MemoryByKey) -> GottenMemory:
        """What a key has, or had at a time; raises `ToolCallFault`."""
        ...

    async def history(self, asked: MemoryByKey) -> MemoryVersions:
        """What a key has and had; raises `ToolCallFault`."""
        ...

    async def end(self, asked: MemoryByKey) -> GottenMemory:
        """End a key's value, and tell what it was; raises `ToolCallFault`."""
        ...


class OtherAgents(Protocol):
    """Agents that can be asked."""

    async def ask(self, question: AskAgent) -> AskedAnswer:
        """Another agent's answer; raises `ToolCallFault`."""
        ...

    async def ask_capability(self, question: AskCapability) -> AskedAnswer:
        """The answer of an agent that has a capability; raises `ToolCallFault`."""
        ...


class HttpRuntime:
    """The agent runtime service."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def store(self, new: NewMemory) -> Memory:
        """`POST /internal/memories`."""
        return Memory.model_validate(await self._post("/internal/memories", new.model_dump(mode="json")))

    async def search(self, asked: MemorySearch) -> FoundMemories:
        """`POST /internal/memories/search`."""
        body = asked.model_dump(mode="json")
        return FoundMemories.model_validate(await self._post("/internal/memories/search", body))

    async def put(self, new: PutMemory) -> Memory:
        """`POST /internal/memories/put`."""
        return Memory.model_validate(await self._post("/internal/memories/put", new.model_dump(mode="json")))

    async def get(self, asked: MemoryByKey) -> GottenMemory:
        """`POST /internal/memories/get`."""
        return GottenMemory.model_validate(await self._post("/internal/memories/get", asked.model_dump(mode="json")))

    async def history(self, asked: MemoryByKey) -> MemoryVersions:
        """`POST /internal/memories/history`."""
        body = asked.model_dump(mode="json")
        return MemoryVersions.model_validate(await self._post("/internal/memories/history", body))

    async def end(self, asked: MemoryByKey) -> GottenMemory:
        """`POST /internal/memories/delete`."""
        body = asked.model_dump(mode="json")
        return GottenMemory.model_validate(await self._post("/internal/memories/delete", body))

    async def ask(self, question: AskAgent) -> AskedAnswer:
        """`POST /internal/agents/ask`."""
        body = question.model_dump(mode="json")
        return AskedAnswer.model_validate(await self._post("/internal/agents/ask", body, _ANSWER_WITHIN_S))

    async def ask_capability(self, question: AskCapability) -> AskedAnswer:
        """`POST /internal/capabilities/ask`."""
        body = question.model_dump(mode="json")
        return AskedAnswer.model_validate(await self._post("/internal/capabilities/ask", body, _ANSWER_WITHIN_S))

    async def _post(self, path: str, body: object, within_s: float = _KEPT_WITHIN_S) -> object:
        try:
            return await self._client.request_json("POST", path, json=body, timeout_s=within_s)
        except CallFailed as error:
            raise ToolCallFault(error.detail) from error
        except Unavailable as error:
            raise ConnectionLost(f"{error.detail} Whether it took effect is not known.") from error
        except ApiError as error:
            raise ToolCallFault(error.detail) from error
