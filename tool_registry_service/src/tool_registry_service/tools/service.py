"""The rules about tools."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from kgents_shared.contracts.tools import KnownTool, SideEffect
from kgents_shared.contracts.worker import ToolDefinition
from kgents_shared.db import PageRequest
from tool_registry_service.errors import ToolNotFound
from tool_registry_service.tools.models import Tool, ToolVersion
from tool_registry_service.tools.pinning import pending_definition, pin
from tool_registry_service.tools.repository import ToolFilter, ToolRepository


class ToolService:
    """What may be done with the tools of some owners, by them and by the runtime for their agents."""

    def __init__(self, tools: ToolRepository) -> None:
        self._tools = tools

    async def page(self, request: PageRequest, wanted: ToolFilter) -> Sequence[Tool]:
        """`limit + 1` of the owners' tools."""
        return await self._tools.page(request, wanted)

    async def get(self, name: str) -> Tool:
        """One tool by its full name; raises `ToolNotFound`."""
        tool = await self._tools.find(name)
        if tool is None:
            raise ToolNotFound(f"There is no tool named {name}.")
        return tool

    async def set_side_effect(self, server_id: UUID, remote_name: str, side_effect: SideEffect) -> Tool:
        """Say what calls of a tool do outside."""
        tool = await self._of_server(server_id, remote_name)
        tool.side_effect, tool.updated_at = side_effect, datetime.now(UTC)
        return tool

    async def accept(self, server_id: UUID, remote_name: str, definition_hash: str | None, *, by: str) -> Tool:
        """Pin the changed definition of a tool and switch it on again; raises `NothingToAccept`."""
        tool = await self._of_server(server_id, remote_name)
        pin(tool, pending_definition(tool, definition_hash), by)
        return await self._tools.settled(tool)

    async def versions(self, name: str, request: PageRequest) -> Sequence[ToolVersion]:
        """`limit + 1` definitions that were pinned of a tool, newest first; raises `ToolNotFound`."""
        return await self._tools.versions((await self.get(name)).id, request)

    async def resolve(self, is_allowed: Callable[[str], bool]) -> list[ToolDefinition]:
        """The tools that an agent may call, as its model sees them."""
        return [
            ToolDefinition(name=tool.name, description=tool.description, input_schema=tool.input_schema)
            for tool in await self._tools.active()
            if is_allowed(tool.name)
        ]

    async def known(self, is_denied: Callable[[str], bool]) -> list[KnownTool]:
        """Every tool of the owners, and whether an agent could call it."""
        return [
            KnownTool(name=tool.name, state="denied" if is_denied(tool.name) else tool.state)
            for tool in await self._tools.all()
        ]

    async def _of_server(self, server_id: UUID, remote_name: str) -> Tool:
        tool = await self._tools.find_remote(server_id, remote_name)
        if tool is None:
            raise ToolNotFound(f"That server has no tool named {remote_name}.")
        return tool
