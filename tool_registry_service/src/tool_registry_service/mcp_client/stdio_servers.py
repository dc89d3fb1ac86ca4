"""The servers that run as processes on this machine: from the operator's list, shut in, limited, watched."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from kgents_shared.isolation.cgroups import CgroupOfInstance, CgroupTree, Controller
from tool_registry_service import heavy_imports
from tool_registry_service.errors import CommandNotAllowed, NeverSent
from tool_registry_service.mcp_client.sandbox import Protection, StdioSandbox
from tool_registry_service.mcp_client.server_log import ServerLog
from tool_registry_service.outgoing.proxy_rules import ProxyMeter, ProxyRules

if TYPE_CHECKING:
    from tool_registry_service.mcp_client.connection import McpTransport
    from tool_registry_service.mcp_client.targets import ServerTarget
    from tool_registry_service.outgoing.proxy import OutgoingProxy
    from tool_registry_service.settings import StdioCommand, ToolsSettings

_log = structlog.get_logger("kgents.tools.stdio")
_KEPT_LOGS = 256
_TREE = "kgents-stdio"


@dataclass(frozen=True, slots=True)
class StdioReport:
    """A server's processes in this platform process, and what holds for them here."""

    entry: StdioCommand
    protection: Protection
    limits_of_all: frozenset[Controller]
    log: ServerLog
    proxy: ProxyMeter


@dataclass(slots=True)
class _Kept:
    log: ServerLog
    proxy: ProxyMeter = field(default_factory=ProxyMeter)


class StdioServers:
    """Gives the way to each, and knows how it went. What was seen of the latest 256 servers is kept."""

    def __init__(self, settings: ToolsSettings, sandbox: StdioSandbox) -> None:
        self._settings = settings
        self._sandbox = sandbox
        self._kept: OrderedDict[UUID, _Kept] = OrderedDict()
        self._tree: CgroupTree | None = None
        self._looked = False
        self._lock = asyncio.Lock()

    def allowed(self, name: str) -> StdioCommand:
        """The operator's entry of this name; raises `CommandNotAllowed`."""
        command = self._settings.stdio_allowed.get(name)
        if command is None:
            listed = ", ".join(sorted(self._settings.stdio_allowed)) or "none"
            raise CommandNotAllowed(
                f"{name} is not a command that the operator allows (TOOLS_STDIO_ALLOWED lists: {listed})."
            )
        return command

    async def transport(self, target: ServerTarget) -> McpTransport:
        """The way to a server, whose process starts when it is opened; raises `NeverSent` where it can't be had."""
        try:
            command = self.allowed(target.command or "")
        except CommandNotAllowed as error:
            raise NeverSent(error.detail) from error
        if command.network == "open":
            _log.warning(
                "stdio_server_on_the_open_network",
                server=target.name,
                command=target.command,
                meaning="it reaches whatever this machine reaches, unchecked",
                mend='network = "proxy"',
            )
        kept = self._kept_of(target.id, command)
        group = await self._group(command)
        try:
            argv = await self._sandbox.argv(command, target.args, groups=() if group is None else group.folders)
        except BaseException:
            if group is not None:
                group.remove()
            raise
        return await heavy_imports.stdio(
            argv,
            self._sandbox.environment(command),
            self._settings.max_answer_bytes,
            log=kept.log,
            proxy=await self._proxy(target, command, kept.proxy),
            group=group,
        )

    async def _proxy(self, target: ServerTarget, command: StdioCommand, meter: ProxyMeter) -> OutgoingProxy | None:
        if command.network != "proxy":
            return None
        rules = ProxyRules(command.hosts, self._settings.stdio_proxy_max_bytes)
        return await heavy_imports.proxy(target.name, self._settings, rules, meter)

    async def report(self, target: ServerTarget) -> StdioReport:
        """What is known of a server; raises `CommandNotAllowed` where its entry is gone."""
        command = self.allowed(target.command or "")
        kept = self._kept_of(target.id, command)
        tree = await self._cgroups()
        return StdioReport(
            entry=command,
            protection=await self._sandbox.protection(),
            limits_of_all=frozenset() if tree is None else frozenset(tree.folders),
            log=kept.log,
            proxy=kept.proxy,
        )

    def log_of(self, server_id: UUID) -> ServerLog | None:
        """What a server's processes wrote, and when they began and ended; None where none was started yet."""
        kept = self._kept.get(server_id)
        return None if kept is None else kept.log

    def _kept_of(self, server_id: UUID, command: StdioCommand) -> _Kept:
        kept = self._kept.get(server_id)
        if kept is None:
            kept = self._kept[server_id] = _Kept(ServerLog(frozenset(command.environment.values())))
            while len(self._kept) > _KEPT_LOGS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(server_id)
        return kept

    async def _cgroups(self) -> CgroupTree | None:
        """Where this machine lets the platform make control groups; looked for once."""
        async with self._lock:
            if not self._looked:
                self._tree = await asyncio.to_thread(_find_tree)
                self._looked = True
                _log.info("stdio_limits_of_all_processes", by=sorted(self._tree.folders) if self._tree else [])
            return self._tree

    async def _group(self, command: StdioCommand) -> CgroupOfInstance | None:
        try:
            return await asyncio.to_thread(_made_group, await self._cgroups(), command)
        except OSError as error:
            self._looked = False  # somebody removed the tree: the next try makes another
            raise NeverSent(f"The server's limits can't be set: {error.strerror}.") from error

    async def close(self) -> None:
        """Remove what was made for the processes, which are over."""
        async with self._lock:
            if self._tree is not None:
                await asyncio.to_thread(self._tree.remove)
                self._tree = None
            self._looked = False


def _made_group(tree: CgroupTree | None, command: StdioCommand) -> CgroupOfInstance | None:
    if tree is None:
        return None
    group = tree.create(secrets.token_hex(8), processes=command.processes)
    tree.limit(group, memory_mb=command.memory_mb, cpus=command.cpus)
    return group


def _find_tree() -> CgroupTree | None:
    CgroupTree.sweep(_TREE)
    name = f"{_TREE}-{os.getpid()}-{secrets.token_hex(4)}"
    return CgroupTree.find(name, ("memory", "pids", "cpu")) or CgroupTree.find(name)
