"""The sessions with one server: opened when they are needed, opened anew when broken, more than one when busy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from tool_registry_service import heavy_imports
from tool_registry_service.errors import DefinitionChanged, NeverSent, ToolCallFault, WantsAuthorization
from tool_registry_service.mcp_client.health import HealthRecord, ServerHealth

if TYPE_CHECKING:
    from tool_registry_service.calls import ToolAnswer
    from tool_registry_service.mcp_client.connection import McpConnection, Progress
    from tool_registry_service.mcp_client.slots import SessionSlots
    from tool_registry_service.mcp_client.targets import RemoteTool, ServerTarget
    from tool_registry_service.mcp_client.transports import TransportMaker
    from tool_registry_service.settings import ToolsSettings

_log = structlog.get_logger("kgents.tools.pool")
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 30.0
_WAITED_OUT_S = 1.0
_CALM_AFTER_S = 10.0
_REREAD_EVERY_S = 1.0
_AGAIN_S = 5.0
T = TypeVar("T")
ToolsListener = Callable[["ServerTarget", "list[RemoteTool]"], Awaitable[None]]


@dataclass(slots=True)
class _Held:
    """One session, and the definitions that it listed: a server may show each session others."""

    connection: McpConnection
    opened_at: float = field(default_factory=time.monotonic)
    listed_at: float = 0.0
    changes_read: int = 0
    hashes: dict[str, str] = field(default_factory=dict[str, str])


class ServerLink:
    """The sessions with one server. Failures make the next try wait, longer each time.

    `listener` hears what the server offers when it says by itself that this has changed.
    """

    def __init__(
        self,
        target: ServerTarget,
        maker: TransportMaker,
        settings: ToolsSettings,
        slots: SessionSlots,
        listener: ToolsListener | None = None,
    ) -> None:
        self.target = target
        self._maker = maker
        self._settings = settings
        self._slots = slots
        self._listener = listener
        self._sessions: list[_Held] = []
        self._lock = asyncio.Lock()
        self._failures = 0
        self._not_before = 0.0
        self._health = HealthRecord()
        self._changed = asyncio.Event()
        self._rereading: asyncio.Task[None] | None = None
        self._is_closed = False
        self.busy = 0
        self.used_at = time.monotonic()

    @property
    def sessions(self) -> int:
        """How many sessions are held."""
        return len(self._sessions)

    async def tools(self) -> list[RemoteTool]:
        """The server's tools as it defines them now."""
        held = await self._session()
        return await self._list(held)

    async def use(self, work: Callable[[McpConnection], Awaitable[T]]) -> T:
        """Do `work` over a session, for what may be asked twice. Raises `ToolCallFault`."""
        try:
            return await work((await self._session()).connection)
        except WantsAuthorization:
            raise
        except NeverSent:
            return await work((await self._session()).connection)

    async def call(
        self, tool: str, arguments: dict[str, Any], *, pinned: str, key: str, progress: Progress | None = None
    ) -> ToolAnswer:
        """Call `tool` if its definition still has the hash `pinned`. A call is sent at most once.

        Raises:
            ToolCallFault: it gave no result.
        """
        try:
            return await self._call(tool, arguments, pinned, key, progress)
        except WantsAuthorization:
            raise
        except NeverSent:
            # The session had gone before the call went out (a restarted server, say): one new session, one more try.
            return await self._call(tool, arguments, pinned, key, progress)

    async def _call(
        self, tool: str, arguments: dict[str, Any], pinned: str, key: str, progress: Progress | None
    ) -> ToolAnswer:
        held = await self._checked(tool, pinned)
        began = time.monotonic()
        try:
            answer = await held.connection.call(
                tool, arguments, key=key, within_s=self._settings.call_timeout_s, progress=progress
            )
        except ToolCallFault as error:
            self._health.failed(error)
            raise
        self._health.answered(began)
        return answer

    async def _checked(self, tool: str, pinned: str) -> _Held:
        """A session in which the tool's definition is the pinned one."""
        held = await self._session()
        age = time.monotonic() - held.listed_at
        if held.connection.changes_told != held.changes_read or age > self._settings.definitions_age_s:
            await self._list(held)
        if held.hashes.get(tool) != pinned:
            raise DefinitionChanged(
                f"The server {self.target.name} has changed or removed its tool {tool}, which is switched off "
                "until a person refreshes the server and accepts the change."
            )
        return held

    async def _list(self, held: _Held) -> list[RemoteTool]:
        # What is told while the server lists may not be in the list.
        changes = held.connection.changes_told
        try:
            tools = await held.connection.list_tools(
                limit=self._settings.max_tools_per_server, within_s=self._settings.connect_timeout_s
            )
        except TimeoutError as error:
            raise NeverSent(f"The server {self.target.name} did not list its tools in time.") from error
        held.hashes = {tool.name: tool.definition_hash for tool in tools}
        held.listed_at, held.changes_read = time.monotonic(), changes
        return tools

    async def _session(self) -> _Held:
        """The least busy session; another one where all have much to do and there may be more."""
        if (held := self._at_once()) is not None:
            return held
        async with self._lock:
            if (held := self._free()) is not None:
                return held
            if self._is_closed:
                raise NeverSent(f"The server {self.target.name} was changed or removed meanwhile.")
            await self._clear()
            least = self._least_busy()
            most = 1 if self.target.transport == "stdio" else self._settings.max_sessions_per_server
            if least is None:
                await self._slots.take()
            elif len(self._sessions) >= most or not await self._slots.take_if_free():
                return least
            return await self._opened(least)

    def _at_once(self) -> _Held | None:
        """A session that isn't busy; while another one is being opened, any session."""
        return self._least_busy() if self._lock.locked() else self._free()

    def _least_busy(self) -> _Held | None:
        return min((row for row in self._sessions if row.connection.is_open), key=_in_flight, default=None)

    def _free(self) -> _Held | None:
        """An open session that isn't busy."""
        held = self._least_busy()
        if held is not None and held.connection.in_flight < self._settings.busy_session_calls:
            return held
        return None

    async def _clear(self) -> None:
        """Let go of sessions that take no calls any more, once nobody waits for an answer there."""
        for held in [row for row in self._sessions if not row.connection.is_open]:
            self._sessions.remove(held)
            if held.connection.is_over and time.monotonic() - held.opened_at < _CALM_AFTER_S:
                self._failed()
            await self._slots.end(held.connection)

    async def _opened(self, least: _Held | None) -> _Held:
        """A new session, in the slot that was taken for it; where there is none to be had, `least` will do."""
        try:
            held = await self._open()
        except NeverSent:
            self._slots.give_back()
            if least is not None and least.connection.is_open:
                return least
            raise
        except BaseException:
            self._slots.give_back()
            raise
        self._sessions.append(held)
        return held

    @property
    def _connect_within_s(self) -> float:
        is_process = self.target.transport == "stdio"
        return self._settings.stdio_start_timeout_s if is_process else self._settings.connect_timeout_s

    async def _open(self) -> _Held:
        await self._wait_out()
        try:
            transport = await self._maker.transport(self.target)
        except ToolCallFault as error:
            self._health.failed(error)
            raise
        connection = await heavy_imports.connection(
            transport,
            connect_timeout_s=self._connect_within_s,
            on_list_changed=self._changed.set if self._listener is not None else None,
        )
        held = _Held(connection)
        try:
            await connection.open()
            await self._list(held)
        except ToolCallFault as error:
            await connection.close()
            self._failed()
            self._health.failed(error)
            _log.info("mcp_server_away", server=self.target.name, error=str(error), failures=self._failures)
            kind = WantsAuthorization if isinstance(error, WantsAuthorization) else NeverSent
            raise kind(f"The server {self.target.name} can't be used: {error}") from error
        except BaseException:
            await connection.close()
            raise
        if time.monotonic() - self._not_before > _CALM_AFTER_S:
            self._failures = 0
        self._health.seen()
        if self._listener is not None and self._rereading is None:
            self._rereading = asyncio.create_task(self._reread(self._listener), name=f"mcp-changes {self.target.name}")
        return held

    async def _reread(self, listener: ToolsListener) -> None:
        """Ask what the server offers whenever it says that this has changed; once a second at most."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await listener(self.target, await self.tools())
            except ToolCallFault as error:
                _log.info("mcp_change_not_read", server=self.target.name, error=str(error))
            except Exception:  # noqa: BLE001 -- whatever it is, the change must not be forgotten
                _log.exception("mcp_change_not_kept", server=self.target.name)
                self._changed.set()
                await asyncio.sleep(_AGAIN_S)
            await asyncio.sleep(_REREAD_EVERY_S)

    def _failed(self) -> None:
        self._failures += 1
        pause = min(_FIRST_PAUSE_S * 2 ** min(self._failures - 1, 20), _LONGEST_PAUSE_S)
        self._not_before = time.monotonic() + pause

    async def _wait_out(self) -> None:
        left = self._not_before - time.monotonic()
        if left > _WAITED_OUT_S:
            raise NeverSent(f"The server {self.target.name} is away; it is tried again in {left:.0f} s.")
        if left > 0:
            await asyncio.sleep(left)

    def health(self) -> ServerHealth:
        """How the server has been."""
        record = self._health
        half, most = record.latencies()
        about = next((row.connection.about for row in self._sessions if row.connection.about is not None), None)
        left = self._not_before - time.monotonic()
        return ServerHealth(
            sessions=len(self._sessions), in_flight=sum(map(_in_flight, self._sessions)),
            calls=record.calls, failures=record.failures, failures_in_a_row=record.failures_in_a_row,
            last_seen_at=record.last_seen_at, last_failed_at=record.last_failed_at, last_failure=record.last_failure,
            latency_ms_p50=half, latency_ms_max=most, next_try_in_s=left if left > 0 else None,
            says=None if about is None else f"{about.name} {about.version}".strip(),
            protocol=None if about is None else about.protocol,
            offers=frozenset() if about is None else about.offers, is_unauthorized=record.is_unauthorized,
        )  # fmt: skip

    async def close(self) -> None:
        """End the sessions; there are no others then."""
        self._is_closed = True
        if self._rereading is not None:
            self._rereading.cancel()
            await asyncio.gather(self._rereading, return_exceptions=True)
            self._rereading = None
        async with self._lock:
            sessions, self._sessions = self._sessions, []
            await asyncio.gather(*(self._end(held.connection) for held in sessions))

    async def _end(self, connection: McpConnection) -> None:
        await connection.close()
        self._slots.give_back()


def _in_flight(held: _Held) -> int:
    return held.connection.in_flight
