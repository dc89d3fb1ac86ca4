"""What a process needs before it can run modules, and how it ends."""

from __future__ import annotations

import asyncio
import resource
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest

from kgents_shared.testing.polling import eventually
from tests.external.wasm_modules import hostile
from tool_registry_service.errors import NeverSent
from tool_registry_service.wasm_tools.faults import NotATool, ToolTrapped
from tool_registry_service.wasm_tools.limits import WasmGrants, WasmLimits, WasmRuntime
from tool_registry_service.wasm_tools.loading import Loader
from tool_registry_service.wasm_tools.pool import WasmPool, WasmServer


def runtime(folder: Path) -> WasmRuntime:
    return WasmRuntime(
        threads=4, max_waiting=1, cache_dir=folder, max_cache_bytes=10**7, max_loaded_bytes=10**7, max_answer_bytes=100,
        compile_timeout_s=60, wait_s=1, idle_unload_s=1,
    )  # fmt: skip


def server() -> WasmServer:
    longest = WasmLimits(fuel=1_000_000_000_000, timeout_ms=60_000)
    return WasmServer(uuid4(), uuid4(), sha256(hostile()).hexdigest(), longest, WasmGrants())


async def hostile_source(_: WasmServer) -> bytes | None:
    return hostile()


async def nothing(_: WasmServer) -> bytes | None:
    return None


async def test_a_process_that_ends_waits_for_no_call(tmp_path: Path) -> None:
    pool, slow = WasmPool(runtime(tmp_path), b"key", hostile_source), server()
    spinning = asyncio.create_task(pool.call(slow, "spin", "{}"))

    async def runs() -> bool:
        return pool.running(slow.id) == 1

    await eventually(runs, describe="the call is under way")
    await pool.close()
    with pytest.raises(ToolTrapped, match="interrupt"):
        await spinning


async def test_a_module_that_is_gone_is_told_as_that(tmp_path: Path) -> None:
    pool = WasmPool(runtime(tmp_path), b"key", nothing)
    with pytest.raises(NeverSent, match="module is gone"):
        await pool.call(server(), "spin", "{}")
    await pool.close()


def test_a_process_with_too_few_addresses_says_so_instead_of_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_gibibyte(_: int) -> tuple[int, int]:
        return 2**30, 2**30

    monkeypatch.setattr(resource, "getrlimit", one_gibibyte)
    with pytest.raises(NotATool, match="80 GiB of addresses"):
        Loader(runtime(tmp_path), b"key")
