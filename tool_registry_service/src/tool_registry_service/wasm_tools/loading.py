"""From a module's source to a program that can be called. The first import of wasmtime in a process is here."""

from __future__ import annotations

import asyncio
import resource
import shutil
import tempfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import wasmtime
from wasmtime import component as wc

from tool_registry_service.wasm_tools.code_cache import CodeCache, CompiledCode
from tool_registry_service.wasm_tools.component_program import ComponentProgram
from tool_registry_service.wasm_tools.core_program import CoreProgram
from tool_registry_service.wasm_tools.engine import MEMORIES_OF_ONE, RESERVED_BYTES, WasmEngine
from tool_registry_service.wasm_tools.faults import NotATool
from tool_registry_service.wasm_tools.limits import WasmGrants, WasmRuntime
from tool_registry_service.wasm_tools.program import Program


@dataclass(frozen=True, slots=True)
class _Loaded:
    code: wasmtime.Module | wc.Component
    size: int


class Loader:
    """The engine of this process and the code that is loaded on it, shared by servers with the same module."""

    def __init__(self, runtime: WasmRuntime, key: bytes) -> None:
        _check_address_space(runtime.threads)
        self._own_folder = None if runtime.cache_dir is not None else tempfile.mkdtemp(prefix="kgents-wasm-")
        folder = Path(self._own_folder or runtime.cache_dir or "")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.engine = WasmEngine(runtime.threads)
        self.cache = CodeCache(
            folder, key, max_bytes=runtime.max_cache_bytes, compile_timeout_s=runtime.compile_timeout_s
        )
        self._runtime = runtime
        self._loaded: OrderedDict[str, _Loaded] = OrderedDict()
        self._loading = asyncio.Lock()

    @property
    def loaded(self) -> int:
        """How many modules are in memory."""
        return len(self._loaded)

    async def program(self, source_hash: str, source: bytes | None, grants: WasmGrants) -> Program | None:
        """The program of a module; None where `source` is needed and wasn't given. Raises `NotATool`."""
        async with self._loading:
            found = self._loaded.get(source_hash)
            if found is None:
                code = await self._code(source_hash, source)
                if code is None:
                    return None
                found = await asyncio.to_thread(self._load, code)
                self._loaded[source_hash] = found
                self._make_room()
            self._loaded.move_to_end(source_hash)
        return await asyncio.to_thread(self._program, found.code, grants)

    async def _code(self, source_hash: str, source: bytes | None) -> CompiledCode | None:
        return await (self.cache.kept(source_hash) if source is None else self.cache.compiled(source_hash, source))

    def _load(self, compiled: CompiledCode) -> _Loaded:
        load = wc.Component.deserialize if compiled.is_component else wasmtime.Module.deserialize
        try:
            return _Loaded(load(self.engine.engine, compiled.code), len(compiled.code))
        except wasmtime.WasmtimeError as error:
            raise NotATool(f"it needs more than an instance may have ({error})") from error

    def _program(self, code: wasmtime.Module | wc.Component, grants: WasmGrants) -> Program:
        most = self._runtime.max_answer_bytes
        if isinstance(code, wc.Component):
            return ComponentProgram(self.engine, code, grants, most)
        return CoreProgram(self.engine, code, most)

    def _make_room(self) -> None:
        """Let go of what was longest not used; programs that still run keep theirs until they end."""
        total = sum(row.size for row in self._loaded.values())
        while total > self._runtime.max_loaded_bytes and len(self._loaded) > 1:
            _, gone = self._loaded.popitem(last=False)
            total -= gone.size

    def unload(self, source_hash: str) -> None:
        """Let go of one module."""
        self._loaded.pop(source_hash, None)

    def close(self) -> None:
        """End the engine's clock and delete the cache of this process alone."""
        self._loaded.clear()
        self.engine.close()
        if self._own_folder is not None:
            shutil.rmtree(self._own_folder, ignore_errors=True)


def _check_address_space(threads: int) -> None:
    """Raise `NotATool` where so many instances have no room; the engine would end the whole process."""
    wanted = threads * MEMORIES_OF_ONE * RESERVED_BYTES
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if most not in (resource.RLIM_INFINITY, -1) and most < wanted:
        raise NotATool(
            f"WASM tools take {wanted // 1024**3} GiB of addresses here, and this process may have {most} bytes"
        )
