"""What the lifespan opens and the endpoints use."""

from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass

from kgents_shared.db import Database
from kgents_shared.events import OutboxRelay
from tool_registry_service.authorization.repository import PendingRepository
from tool_registry_service.authorization.service import AuthorizationService
from tool_registry_service.builtin_tools.builtin import BuiltinDefinition, BuiltinTools
from tool_registry_service.costs.repository import CostRepository
from tool_registry_service.direct_calls.service import DirectCallService
from tool_registry_service.http_tools.access import HttpAccess
from tool_registry_service.http_tools.repository import HttpApiRepository
from tool_registry_service.http_tools.service import HttpToolService
from tool_registry_service.invocation.service import InvocationService
from tool_registry_service.invocation.stopping import StoppingService
from tool_registry_service.mcp_client.pool import SessionPool
from tool_registry_service.mcp_client.transports import TransportMaker
from tool_registry_service.mcp_servers.repository import McpServerRepository
from tool_registry_service.mcp_servers.service import McpServerService
from tool_registry_service.permissions.decision import denied_to_all
from tool_registry_service.permissions.gate import Permissions
from tool_registry_service.permissions.repository import DenialRepository, PermissionRepository
from tool_registry_service.permissions.service import PermissionService
from tool_registry_service.records.repository import RecordRepository
from tool_registry_service.tools.models import Tool
from tool_registry_service.tools.repository import ToolRepository
from tool_registry_service.tools.service import ToolService


@dataclass(frozen=True, slots=True)
class Registry:
    """The open parts of this service. A block of `servers` or `tools` is one transaction, committed at its end."""

    database: Database
    maker: TransportMaker
    sessions: SessionPool
    invocations: InvocationService
    stopping: StoppingService
    permissions: Permissions
    direct_calls: DirectCallService
    relay: OutboxRelay
    http_access: HttpAccess
    authorizations: AuthorizationService
    builtin: BuiltinTools

    @asynccontextmanager
    async def servers(self, owner_ids: Collection[str]) -> AsyncGenerator[McpServerService]:
        """The MCP servers of these owners."""
        async with self.database.transaction() as session:
            yield McpServerService(McpServerRepository(session, owner_ids), ToolRepository(session, owner_ids))
        self.relay.wake()

    @asynccontextmanager
    async def pending_authorizations(self) -> AsyncGenerator[PendingRepository]:
        """Authorizations that wait for a person to come back."""
        async with self.database.transaction() as session:
            yield PendingRepository(session)

    @asynccontextmanager
    async def costs(self, owner_ids: Collection[str]) -> AsyncGenerator[CostRepository]:
        """What calls of these owners' tools cost."""
        async with self.database.transaction() as session:
            yield CostRepository(session, owner_ids)

    @asynccontextmanager
    async def records(self, owner_ids: Collection[str]) -> AsyncGenerator[RecordRepository]:
        """The calls of these owners' tools."""
        async with self.database.transaction() as session:
            yield RecordRepository(session, owner_ids)

    @asynccontextmanager
    async def tools(self, owner_ids: Collection[str]) -> AsyncGenerator[ToolService]:
        """The tools of these owners."""
        async with self.database.transaction() as session:
            yield ToolService(ToolRepository(session, owner_ids))
        self.relay.wake()

    async def callable_tools(self, owner_ids: Collection[str]) -> list[Tool]:
        """The tools of these owners that they may call themselves, by name."""
        rules = {owner_id: await self.permissions.rules_of(owner_id) for owner_id in owner_ids}
        denied_here = self.permissions.denied_here
        async with self.database.transaction() as session:
            rows = await ToolRepository(session, owner_ids).active()
        return [row for row in rows if not denied_to_all(row.name, rules[row.owner_id], denied_here)]

    async def callable_builtin(self, owner_id: str) -> list[BuiltinDefinition]:
        """The builtin tools that an owner may call, by name."""
        rules, denied_here = await self.permissions.rules_of(owner_id), self.permissions.denied_here
        return [one for one in self.builtin.definitions if not denied_to_all(one.name, rules, denied_here)]

    @asynccontextmanager
    async def http_tools(self, owner_ids: Collection[str]) -> AsyncGenerator[HttpToolService]:
        """The HTTP tools and imported APIs of these owners."""
        async with self.database.transaction() as session:
            yield HttpToolService(HttpApiRepository(session, owner_ids), ToolRepository(session, owner_ids))
        self.relay.wake()

    @asynccontextmanager
    async def permission_rules(self, owner_ids: Collection[str]) -> AsyncGenerator[PermissionService]:
        """The rules and capabilities of these owners."""
        async with self.database.transaction() as session:
            yield PermissionService(PermissionRepository(session, owner_ids))
        self.relay.wake()

    @asynccontextmanager
    async def denials(self, owner_ids: Collection[str]) -> AsyncGenerator[DenialRepository]:
        """What was denied to these owners' calls."""
        async with self.database.transaction() as session:
            yield DenialRepository(session, owner_ids)
