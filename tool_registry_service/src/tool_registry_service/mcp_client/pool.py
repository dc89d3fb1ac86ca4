"""Held sessions: one a server, opened at first use, opened anew when broken, closed when idle."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog

from tool_registry_service import heavy_imports
from tool_registry_service.calls import ToolAnswer
from tool_registry_service.credentials import Bearers, BearerSource
from tool_registry_service.errors import CommandNotAllowed, DefinitionChanged, NeverSent, ToolCallFault
from tool_registry_service.mcp_client.sandbox import StdioSandbox
from tool_registry_service.mcp_client.targets import RemoteTool, ServerTarget
from tool_registry_service.settings import StdioCommand, ToolsSettings

if TYPE_CHECKING:
    from tool_registry_service.mcp_client.connection import McpConnection, McpTransport

_log = structlog.get_logger("kgents.tools.pool")
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 30.0
_WAITED_OUT_S = 1.0
_CALM_AFTER_S = 10.0
_REAP_EVERY_S = 5.0


class TransportMaker:
    """Gives the way to a server: over the guarded HTTP client, or as a process from the operator's list."""

    def __init__(self, settings: ToolsSettings, sandbox: StdioSandbox, bearers: Bearers) -> None:
        self._settings = settings
        self._sandbox = sandbox
        self._bearers = bearers

    async def transport(self, target: ServerTarget) -> McpTransport:
        """The transport of `target`; raises `NeverSent` where it can't be had."""
        if target.transport == "streamable_http":
            return await heavy_imports.streamable_http(target, self._settings, await self._bearer(target))
        try:
            command = self.allowed(target.command or "")
        except CommandNotAllowed as error:
            raise NeverSent(error.detail) from error
        argv = await self._sandbox.argv(command, target.args)
        return await heavy_imports.stdio(argv, self._sandbox.environment(command), self._settings.max_answer_bytes)

    async def _bearer(self, target: ServerTarget) -> BearerSource | None:
        """What gives the server's bearer; tried at once, so that a credential that can't be used is told as that."""
        use = target.credential
        if use is None:
            return None
        source = BearerSource(
            get=lambda: self._bearers.bearer(use, f"mcp server {target.name}"), forget=lambda: self._bearers.forget(use)
        )
        await source.get()
        return source

    def allowed(self, name: str) -> StdioCommand:
        """The operator's entry of this name; raises `CommandNotAllowed`."""
        command = self._settings.stdio_allowed.get(name)
        if command is None:
            listed = ", ".join(sorted(self._settings.stdio_allowed)) or "none"
            raise CommandNotAllowed(
                f"{name} is not a command that the operator allows (TOOLS_STDIO_ALLOWED lists: {listed})."
            )
        return command


class ServerLink:
    """The session with one server. Failures make the next try wait, longer each time."""

    def __init__(self, target: ServerTarget, maker: TransportMaker, settings: ToolsSettings) -> None:
        self.target = target
        self._maker = maker
        self._settings = settings
        self._connection: McpConnection | None = None
        self._lock = asyncio.Lock()
        self._opened_at = 0.0
        self._failures = 0
        self._not_before = 0.0
        self._hashes: dict[str, str] = {}
        self._listed_at = 0.0
        self.busy = 0
        self.used_at = time.monotonic()

    async def tools(self) -> list[RemoteTool]:
        """The server's tools as it defines them now."""
        async with self._lock:
            return await self._list(await self._open_connection())

    async def call(self, tool: str, arguments: dict[str, Any], *, pinned: str, key: str) -> ToolAnswer:
        """Call `tool` if its definition still has the hash `pinned`. A call is sent at most once.

        Raises:
            ToolCallFault: it gave no result.
        """
        within_s = self._settings.call_timeout_s
        try:
            connection = await self._checked_connection(tool, pinned)
            return await connection.call(tool, arguments, key=key, within_s=within_s)
        except DefinitionChanged:
            raise
        except NeverSent:
            # The session had gone before the call went out (a restarted server, say): one new session, one more try.
            connection = await self._checked_connection(tool, pinned)
            return await connection.call(tool, arguments, key=key, within_s=within_s)

    async def _checked_connection(self, tool: str, pinned: str) -> McpConnection:
        async with self._lock:
            connection = await self._open_connection()
            age = time.monotonic() - self._listed_at
            if connection.definitions_are_old or age > self._settings.definitions_age_s:
                await self._list(connection)
            if self._hashes.get(tool) != pinned:
                raise DefinitionChanged(
                    f"The server {self.target.name} has changed or removed its tool {tool}, which is switched off "
                    "until a person refreshes the server and accepts the change."
                )
            return connection

    async def _list(self, connection: McpConnection) -> list[RemoteTool]:
        try:
            tools = await connection.list_tools(
                limit=self._settings.max_tools_per_server, within_s=self._settings.connect_timeout_s
            )
        except TimeoutError as error:
            raise NeverSent(f"The server {self.target.name} did not list its tools in time.") from error
        self._hashes = {tool.name: tool.definition_hash for tool in tools}
        self._listed_at = time.monotonic()
        return tools

    async def _open_connection(self) -> McpConnection:
        if self._connection is not None and self._connection.is_open:
            return self._connection
        if self._connection is not None:
            lived_s = time.monotonic() - self._opened_at
            await self._connection.close()
            self._connection = None
            if lived_s < _CALM_AFTER_S:
                self._failed()
        await self._wait_out()
        connection = await heavy_imports.connection(
            await self._maker.transport(self.target), connect_timeout_s=self._settings.connect_timeout_s
        )
        try:
            await connection.open()
            await self._list(connection)
        except ToolCallFault as error:
            await connection.close()
            self._failed()
            _log.info("mcp_server_away", server=self.target.name, error=str(error), failures=self._failures)
            raise NeverSent(f"The server {self.target.name} can't be used: {error}") from error
        except asyncio.CancelledError:
            await connection.close()
            raise
        if time.monotonic() - self._not_before > _CALM_AFTER_S:
            self._failures = 0
        self._connection, self._opened_at = connection, time.monotonic()
        return connection

    def _failed(self) -> None:
        self._failures += 1
        pause = min(_FIRST_PAUSE_S * 2 ** (self._failures - 1), _LONGEST_PAUSE_S)
        self._not_before = time.monotonic() + pause

    async def _wait_out(self) -> None:
        left = self._not_before - time.monotonic()
        if left > _WAITED_OUT_S:
            raise NeverSent(f"The server {self.target.name} is away; it is tried again in {left:.0f} s.")
        if left > 0:
            await asyncio.sleep(left)

    async def close(self) -> None:
        """End the session."""
        async with self._lock:
            if self._connection is not None:
                await self._connection.close()
                self._connection = None


class SessionPool:
    """The links of this process by server id."""

    def __init__(self, maker: TransportMaker, settings: ToolsSettings) -> None:
        self._maker = maker
        self._settings = settings
        self._links: dict[UUID, ServerLink] = {}

    async def tools(self, target: ServerTarget) -> list[RemoteTool]:
        """What `target` offers now. Raises ToolCallFault."""
        link = await self._link(target)
        link.busy += 1
        try:
            return await link.tools()
        finally:
            self._used(link)

    async def call(
        self, target: ServerTarget, tool: str, arguments: dict[str, Any], *, pinned: str, key: str
    ) -> ToolAnswer:
        """Call one tool of `target`. Raises ToolCallFault."""
        link = await self._link(target)
        link.busy += 1
        try:
            return await link.call(tool, arguments, pinned=pinned, key=key)
        finally:
            self._used(link)

    @staticmethod
    def _used(link: ServerLink) -> None:
        link.busy -= 1
        link.used_at = time.monotonic()

    async def _link(self, target: ServerTarget) -> ServerLink:
        link = self._links.get(target.id)
        if link is None:
            link = self._links[target.id] = ServerLink(target, self._maker, self._settings)
            await self._make_room(link)
        return link

    async def _make_room(self, newest: ServerLink) -> None:
        idle = sorted((row for row in self._links.values() if not row.busy and row is not newest), key=_last_use)
        for link in idle[: max(0, len(self._links) - self._settings.max_sessions)]:
            await self.drop(link.target.id)

    async def drop(self, server_id: UUID) -> None:
        """End the session with a server, if there is one."""
        link = self._links.pop(server_id, None)
        if link is not None:
            await link.close()

    async def reap(self) -> None:
        """Close idle sessions, for ever."""
        while True:
            await asyncio.sleep(_REAP_EVERY_S)
            before = time.monotonic() - self._settings.idle_close_s
            for link in [row for row in self._links.values() if not row.busy and row.used_at < before]:
                await self.drop(link.target.id)

    async def close(self) -> None:
        """End every session."""
        await asyncio.gather(*(self.drop(server_id) for server_id in list(self._links)))


def _last_use(link: ServerLink) -> float:
    return link.used_at
