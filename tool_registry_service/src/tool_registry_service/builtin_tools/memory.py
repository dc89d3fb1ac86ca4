"""`memory.store` and `memory.search`: what an agent keeps from one conversation to the next."""

from typing import Any

from kgents_shared.contracts.memories import MOST_FOUND, MOST_MEMORY_CHARS, MemorySearch, NewMemory
from kgents_shared.contracts.tools import InvokeToolRequest
from tool_registry_service.builtin_tools.builtin import BuiltinDefinition
from tool_registry_service.builtin_tools.runtime import Memories
from tool_registry_service.calls import ToolAnswer

_NO_AGENT = "Memory belongs to an agent: this tool works in an agent's run alone."


class MemoryStore:
    """Keeps a text for the agent."""

    definition = BuiltinDefinition(
        name="memory.store",
        description="Keep a short text, to be found again in later conversations with memory.search.",
        input_schema={
            "type": "object",
            "properties": {
                "text": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": MOST_MEMORY_CHARS,
                    "description": "What to keep, so that it can be understood by itself.",
                }
            },
            "required": ["text"],
            "additionalProperties": False,
        },
        side_effect="write",
    )

    def __init__(self, memories: Memories) -> None:
        self._memories = memories

    async def call(self, call: InvokeToolRequest) -> ToolAnswer:
        """Keep it, once a call; raises `ToolCallFault`."""
        if call.agent_id is None:
            return ToolAnswer(_NO_AGENT, is_error=True)
        new = NewMemory(
            owner_id=call.owner_id, agent_id=call.agent_id, conversation_id=call.conversation_id,
            key=call.idempotency_key, text=call.arguments["text"],
        )  # fmt: skip
        kept = await self._memories.store(new)
        return ToolAnswer(f"Kept as {kept.id}.")


class MemoryFinder:
    """Finds what the agent kept."""

    definition = BuiltinDefinition(
        name="memory.search",
        description=(
            "Find texts that were kept with memory.store, by the words in them, the best first. "
            "Without a query the newest. Words are compared as they are written, not by meaning."
        ),
        input_schema={
            "type": "object",
            "properties": {
                "query": {"type": "string", "maxLength": 1000, "description": "Words that the text may have."},
                "limit": {"type": "integer", "minimum": 1, "maximum": MOST_FOUND, "default": 10},
            },
            "additionalProperties": False,
        },
        side_effect="read",
    )

    def __init__(self, memories: Memories) -> None:
        self._memories = memories

    async def call(self, call: InvokeToolRequest) -> ToolAnswer:
        """Search; raises `ToolCallFault`."""
        if call.agent_id is None:
            return ToolAnswer(_NO_AGENT, is_error=True)
        given: dict[str, Any] = {"query": "", "limit": 10} | call.arguments
        asked = MemorySearch(owner_id=call.owner_id, agent_id=call.agent_id, **given)
        found = (await self._memories.search(asked)).memories
        lines = [f"- {memory.text} (kept {memory.created_at:%Y-%m-%d})" for memory in found]
        return ToolAnswer("\n".join(lines) or "Nothing that was kept has any of these words.")
