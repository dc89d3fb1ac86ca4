"""Calls of tools that an MCP server has."""

from kgents_shared.contracts.tools import InvokeToolRequest
from tool_registry_service.calls import CallableTool, ToolAnswer
from tool_registry_service.errors import NeverSent
from tool_registry_service.mcp_client.pool import SessionPool
from tool_registry_service.progress import listener


class McpExecutor:
    """Calls through held sessions; the definition must still be the pinned one."""

    def __init__(self, sessions: SessionPool) -> None:
        self._sessions = sessions

    async def call(self, tool: CallableTool, call: InvokeToolRequest) -> ToolAnswer:
        """Call it once; raises `DefinitionChanged` and other `ToolCallFault`s."""
        if tool.target is None:
            raise NeverSent(f"{tool.name} has no server.")
        steps = listener()
        return await self._sessions.call(
            tool.target, tool.remote_name, call.arguments, pinned=tool.definition_hash, key=call.idempotency_key,
            progress=None if steps is None else steps.note,
        )  # fmt: skip
