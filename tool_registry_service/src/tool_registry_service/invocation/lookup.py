"""Which tool a name means: a builtin one, or one of the owner's."""

from collections.abc import Mapping
from typing import Protocol

from tool_registry_service.calls import CallableTool
from tool_registry_service.invocation.repository import InvocationRepository


class ToolLookup(Protocol):
    """Finds tools by name."""

    async def tool(self, owner_id: str, name: str) -> CallableTool | None:
        """The tool of this full name, whatever its state."""
        ...


class EveryTool:
    """Builtin tools, whose names nobody else can take, before the owner's own."""

    def __init__(self, builtin: Mapping[str, CallableTool], rows: InvocationRepository) -> None:
        self._builtin = builtin
        self._rows = rows

    async def tool(self, owner_id: str, name: str) -> CallableTool | None:
        """The tool of this full name, whatever its state."""
        return self._builtin.get(name) or await self._rows.tool(owner_id, name)
