"""Servers that say by themselves that their tools are others now."""

import structlog

from kgents_shared.db import Database
from kgents_shared.events import OutboxRelay
from tool_registry_service.errors import ServerNotFound
from tool_registry_service.mcp_client.targets import RemoteTool, ServerTarget
from tool_registry_service.mcp_servers.repository import McpServerRepository
from tool_registry_service.mcp_servers.service import McpServerService
from tool_registry_service.tools.definitions import offer_of
from tool_registry_service.tools.repository import ToolRepository

_log = structlog.get_logger("kgents.tools.changes")


class ChangedTools:
    """Holds what such a server offers against what was pinned: a changed tool is off before anybody calls it."""

    def __init__(self, database: Database, relay: OutboxRelay) -> None:
        self._database = database
        self._relay = relay

    async def heard(self, target: ServerTarget, tools: list[RemoteTool]) -> None:
        """`target` offers `tools` now."""
        try:
            async with self._database.transaction() as session:
                owners = [target.owner_id]
                servers = McpServerService(McpServerRepository(session, owners), ToolRepository(session, owners))
                found = await servers.compare_unasked(target.id, offer_of(tools))
        except ServerNotFound:
            return  # deleted meanwhile, or not registered yet
        self._relay.wake()
        _log.info(
            "mcp_tools_changed", server=target.name, added=found.added, changed=found.changed, removed=found.removed
        )
