"""Calls of WASM tools, off the event loop: on a bounded number of threads, servers in turn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from tool_registry_service.calls import ToolAnswer
from tool_registry_service.errors import NeverSent, ToolCallFault
from tool_registry_service.mcp_client.health import ServerHealth
from tool_registry_service.wasm_tools.faults import NotATool
from tool_registry_service.wasm_tools.limits import MAX_TIMEOUT_MS, WasmGrants, WasmLimits, WasmRuntime
from tool_registry_service.wasm_tools.program import Offered, Program, Spent
from tool_registry_service.wasm_tools.turns import Turns
from tool_registry_service.wasm_tools.usage import Usage

if TYPE_CHECKING:
    from tool_registry_service.wasm_tools.loading import Loader

_REAP_EVERY_S = 5.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WasmServer:
    """One server as its calls need it. What is loaded for it fits as long as all of this is the same."""

    id: UUID
    module_id: UUID
    source_hash: str
    limits: WasmLimits
    grants: WasmGrants


SourceOf = Callable[[WasmServer], Awaitable[bytes | None]]


@dataclass(slots=True)
class _Running:
    server: WasmServer
    program: Program
    used_at: float = field(default_factory=time.monotonic)


class WasmPool:
    """The programs of this process by server. `source_of` gives a module's bytes where they must be compiled."""

    def __init__(self, runtime: WasmRuntime, key: bytes, source_of: SourceOf) -> None:
        self._runtime = runtime
        self._key = key
        self._source_of = source_of
        self._turns = Turns(runtime.threads, max_waiting=runtime.max_waiting)
        self._threads = ThreadPoolExecutor(runtime.threads, thread_name_prefix="wasm")
        self._loader: Loader | None = None
        self._starting = asyncio.Lock()
        self._running: dict[UUID, _Running] = {}
        self._usage: dict[UUID, Usage] = {}
        self._under_way: dict[UUID, set[asyncio.Future[Any]]] = {}

    def usage(self, server_id: UUID) -> Usage:
        """What a server's calls have used here."""
        return self._usage.setdefault(server_id, Usage())

    def health(self, server_id: UUID) -> ServerHealth:
        """How a server has been here; its code in memory is what a session is to others."""
        seen = self.usage(server_id).health
        median, longest = seen.latencies()
        return ServerHealth(
            sessions=int(self.is_loaded(server_id)), in_flight=self.running(server_id), calls=seen.calls,
            failures=seen.failures, failures_in_a_row=seen.failures_in_a_row, last_seen_at=seen.last_seen_at,
            last_failed_at=seen.last_failed_at, last_failure=seen.last_failure, latency_ms_p50=median,
            latency_ms_max=longest,
        )  # fmt: skip

    @property
    def loaded_modules(self) -> int:
        """How many modules are in this process's memory."""
        return 0 if self._loader is None else self._loader.loaded

    def is_loaded(self, server_id: UUID) -> bool:
        """Whether a server's program is in memory."""
        return server_id in self._running

    async def offered(self, server: WasmServer, source: bytes | None = None) -> list[Offered]:
        """The tools that a server's module has; compiles it where that wasn't done. Raises `NotATool`."""
        program = await self._program(server, source)
        try:
            return await self._in_turn(server, lambda spent: program.offered(server.limits, spent))
        except ToolCallFault as error:
            raise NotATool(f"asked for its tools, it gave none. {error}") from error

    async def call(self, server: WasmServer, tool: str, arguments: str) -> ToolAnswer:
        """Call one tool; raises `ToolCallFault`."""
        try:
            program = await self._program(server, None)
            returned = await self._in_turn(
                server, lambda spent: program.call(tool, arguments, server.limits, spent), is_call=True
            )
        except NotATool as error:
            raise NeverSent(f"Its module can't be used: {error}.") from error
        return ToolAnswer(returned.text.replace("\x00", "�"), returned.is_error)

    async def _program(self, server: WasmServer, source: bytes | None) -> Program:
        running = self._running.get(server.id)
        if running is None or running.server != server:
            loader = await self._loaded_loader()
            program = await loader.program(server.source_hash, source, server.grants)
            if program is None:
                source = await self._source_of(server)
                if source is None:
                    raise NeverSent("Its module is gone.")
                program = await loader.program(server.source_hash, source, server.grants)
            if program is None:
                raise NeverSent("Its module is gone.")
            running = self._running[server.id] = _Running(server, program)
        running.used_at = time.monotonic()
        return running.program

    async def _loaded_loader(self) -> Loader:
        async with self._starting:
            if self._loader is None:
                self._loader = await asyncio.to_thread(_new_loader, self._runtime, self._key)
            return self._loader

    async def _in_turn(self, server: WasmServer, work: Callable[[Spent], T], *, is_call: bool = False) -> T:
        usage = self.usage(server.id)
        await self._turns.take(server.id, self._runtime.wait_s)

        def measured() -> T:
            spent, began = Spent(), time.monotonic()
            fault: ToolCallFault | None = None
            is_error = True
            try:
                result = work(spent)
                is_error = bool(getattr(result, "is_error", False))
                return result
            except ToolCallFault as error:
                fault = error
                raise
            finally:
                if is_call:
                    usage.count(spent, began, fault, is_error=is_error)

        future = asyncio.get_running_loop().run_in_executor(self._threads, measured)
        # A caller that goes away doesn't end what runs on a thread: the slot is free when that is over.
        self._under_way.setdefault(server.id, set()).add(future)
        future.add_done_callback(lambda ended: self._ended(server.id, ended))
        return await asyncio.shield(future)

    def _ended(self, server_id: UUID, future: asyncio.Future[Any]) -> None:
        self._turns.give_back()
        under_way = self._under_way[server_id]
        under_way.discard(future)
        if not under_way:
            del self._under_way[server_id]

    def running(self, server_id: UUID) -> int:
        """How many calls of a server are under way here."""
        return len(self._under_way.get(server_id, ()))

    async def drop(self, server_id: UUID) -> None:
        """Let go of a server's program, once what it runs has ended: at the latest after its time limit."""
        gone = self._running.pop(server_id, None)
        if under_way := self._under_way.get(server_id):
            await asyncio.wait(set(under_way))
        if gone is not None and self._loader is not None and not self._is_used(gone.server.source_hash):
            self._loader.unload(gone.server.source_hash)

    def _is_used(self, source_hash: str) -> bool:
        return any(row.server.source_hash == source_hash for row in self._running.values())

    def forget(self, server_id: UUID) -> None:
        """Drop what was counted of a server that is deleted."""
        self._usage.pop(server_id, None)

    async def reap(self) -> None:
        """Let go of what nobody has called for a while, for ever."""
        while True:
            await asyncio.sleep(_REAP_EVERY_S)
            before = time.monotonic() - self._runtime.idle_unload_s
            for server_id in [key for key, row in self._running.items() if row.used_at < before]:
                if not self.running(server_id):
                    await self.drop(server_id)

    async def close(self) -> None:
        """End what runs, and the engine."""
        if self._loader is not None:
            self._loader.engine.interrupt(MAX_TIMEOUT_MS)
        await asyncio.to_thread(self._threads.shutdown)
        self._running.clear()
        if self._loader is not None:
            await asyncio.to_thread(self._loader.close)
            self._loader = None


def _new_loader(runtime: WasmRuntime, key: bytes) -> Loader:
    from tool_registry_service.wasm_tools.loading import Loader  # noqa: PLC0415 -- imports wasmtime

    return Loader(runtime, key)
