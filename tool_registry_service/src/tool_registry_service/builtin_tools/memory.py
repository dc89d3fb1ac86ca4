"""`memory.*`: what an agent keeps from one conversation to the next, by its words, its meaning, or under a key."""

import json
from typing import Any, Final

from kgents_shared.contracts.memories import (
    MOST_FOUND,
    MOST_MEMORY_CHARS,
    STORED,
    FoundMemories,
    FoundMemory,
    Memory,
    MemoryByKey,
    MemorySearch,
    NewMemory,
    PutMemory,
)
from kgents_shared.contracts.tools import InvokeToolRequest, SideEffect
from tool_registry_service.builtin_tools.builtin import BuiltinDefinition, BuiltinTool
from tool_registry_service.builtin_tools.runtime import Memories
from tool_registry_service.calls import ToolAnswer

_NO_AGENT: Final = ToolAnswer("Memory belongs to an agent: this tool works in an agent's run alone.", is_error=True)
_NOTHING: Final = "Nothing is kept under this key."
_KEY: Final[dict[str, Any]] = {
    "type": "string",
    "pattern": "^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,199}$",
    "description": "Like favourite_tea or orders.open.",
}
_TAGS: Final[dict[str, Any]] = {
    "type": "array",
    "items": {"type": "string", "minLength": 1, "maxLength": 64},
    "maxItems": 20,
    "description": "Words to sort it by, and to narrow searches to.",
}
_TIME: Final[dict[str, Any]] = {"type": "string", "format": "date-time", "maxLength": 40}


def memory_tools(memories: Memories) -> tuple[BuiltinTool, ...]:
    """All of them."""
    return (
        MemoryStore(memories), MemoryFinder(memories), MemoryPutter(memories), MemoryGetter(memories),
        MemoryEnder(memories), MemoryHistory(memories),
    )  # fmt: skip


def _definition(
    name: str, description: str, properties: dict[str, Any], required: list[str], side_effect: SideEffect
) -> BuiltinDefinition:
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return BuiltinDefinition(f"memory.{name}", description, schema, side_effect)


def _place(call: InvokeToolRequest) -> dict[str, Any]:
    """Whose memory it is: as the agent's definition has it, never as its model says."""
    return {
        "owner_id": call.owner_id,
        "agent_id": call.agent_id,
        "conversation_id": call.conversation_id,
        "principal": call.principal,
        "scope": call.memory.scope,
        "semantic": call.memory.semantic,
    }


class _MemoryTool:
    """What each of them does: it works on the memory of the agent whose run it is, and on no other."""

    definition: BuiltinDefinition

    def __init__(self, memories: Memories) -> None:
        self._memories = memories

    async def call(self, call: InvokeToolRequest) -> ToolAnswer:
        """Do it; raises `ToolCallFault`."""
        return _NO_AGENT if call.agent_id is None else await self._answer(call)

    async def _answer(self, call: InvokeToolRequest) -> ToolAnswer:
        raise NotImplementedError


class MemoryStore(_MemoryTool):
    """Keeps a text for the agent."""

    definition = _definition(
        "store",
        "Keep a short text, to be found again in later conversations with memory.search.",
        {
            "text": {
                "type": "string",
                "minLength": 1,
                "maxLength": MOST_MEMORY_CHARS,
                "description": "What to keep, so that it can be understood by itself.",
            },
            "tags": _TAGS,
        },
        ["text"],
        "write",
    )

    async def _answer(self, call: InvokeToolRequest) -> ToolAnswer:
        tags = tuple(call.arguments.get("tags", ()))
        new = NewMemory(**_place(call), key=call.idempotency_key, text=call.arguments["text"], tags=tags)
        kept = await self._memories.store(new)
        return ToolAnswer(f"Kept as {kept.id}.")


class MemoryFinder(_MemoryTool):
    """Finds what the agent kept."""

    definition = _definition(
        "search",
        "Find what was kept with memory.store or memory.put, by its meaning and by its words, the best first. "
        "Without a query the newest.",
        {
            "query": {"type": "string", "maxLength": 1000, "description": "What the text may be about, or its words."},
            "limit": {"type": "integer", "minimum": 1, "maximum": MOST_FOUND, "default": 10},
            "mode": {
                "enum": ["hybrid", "semantic", "words"],
                "default": "hybrid",
                "description": "semantic: by meaning alone; words: texts that have one of the words as it is written.",
            },
            "tags": _TAGS,
            "since": {
                **_TIME,
                "description": "Only what changed since then, such as 2026-05-04T14:30:00Z.",
            },
            "until": {**_TIME, "description": "Only what changed before then."},
        },
        [],
        "read",
    )

    async def _answer(self, call: InvokeToolRequest) -> ToolAnswer:
        given: dict[str, Any] = {"query": ""} | call.arguments
        found = await self._memories.search(MemorySearch(**_place(call), **given))
        return ToolAnswer("\n".join([*map(_line, found.memories), *_remarks(found)]))


class MemoryPutter(_MemoryTool):
    """Has a key have a value."""

    definition = _definition(
        "put",
        "Keep a value under a key, over what the key had before; memory.history shows what that was.",
        {"key": _KEY, "value": {"description": "A text, number, list or object."}, "tags": _TAGS},
        ["key", "value"],
        "write",
    )

    async def _answer(self, call: InvokeToolRequest) -> ToolAnswer:
        kept = await self._memories.put(PutMemory(**_place(call), **call.arguments))
        return ToolAnswer(f"{kept.key} has its value number {kept.version}.")


class MemoryGetter(_MemoryTool):
    """What a key has."""

    definition = _definition(
        "get",
        "The value that a key has, or had at a time.",
        {"key": _KEY, "as_of": {**_TIME, "description": "When; now if left out. Such as 2026-05-04T14:30:00Z."}},
        ["key"],
        "read",
    )

    async def _answer(self, call: InvokeToolRequest) -> ToolAnswer:
        found = (await self._memories.get(MemoryByKey(**_place(call), **call.arguments))).memory
        return ToolAnswer(_NOTHING if found is None else json.dumps(_told(found), ensure_ascii=False))


class MemoryEnder(_MemoryTool):
    """Ends a key's value."""

    definition = _definition(
        "delete", "Take a key's value away. memory.history still shows it.", {"key": _KEY}, ["key"], "write"
    )

    async def _answer(self, call: InvokeToolRequest) -> ToolAnswer:
        key = call.arguments["key"]
        ended = (await self._memories.end(MemoryByKey(**_place(call), key=key))).memory
        return ToolAnswer(_NOTHING if ended is None else f"{key} has no value any more.")


class MemoryHistory(_MemoryTool):
    """What a key has and had."""

    definition = _definition(
        "history", "What a key has and had, the newest first, with times.", {"key": _KEY}, ["key"], "read"
    )

    async def _answer(self, call: InvokeToolRequest) -> ToolAnswer:
        asked = MemoryByKey(**_place(call), key=call.arguments["key"])
        lines = [json.dumps(_told(one), ensure_ascii=False) for one in (await self._memories.history(asked)).versions]
        return ToolAnswer("\n".join(lines) or _NOTHING)


def _line(memory: FoundMemory) -> str:
    told = f"- {memory.text}" if memory.key.startswith(STORED) else f"- {memory.key}: {memory.text}"
    nearness = "" if memory.similarity is None else f", similarity {memory.similarity:.2f}"
    return f"{told} (kept {memory.updated_at:%Y-%m-%d}{nearness})"


def _remarks(found: FoundMemories) -> list[str]:
    if not found.memories:
        by = "fits this." if found.method in ("hybrid", "semantic") else "has any of these words."
        return [f"Nothing that was kept {by}"]
    return [] if found.note is None else [f"[{found.note}]"]


def _told(memory: Memory) -> dict[str, Any]:
    told: dict[str, Any] = {"value": memory.value, "since": f"{memory.updated_at:%Y-%m-%dT%H:%M:%SZ}"}
    if memory.ended_at is not None:
        told["until"] = f"{memory.ended_at:%Y-%m-%dT%H:%M:%SZ}"
    return told | ({"tags": list(memory.tags)} if memory.tags else {})
