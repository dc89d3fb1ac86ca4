"""What a process needs before it can run modules."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from tool_registry_service.wasm_tools.faults import NotATool
from tool_registry_service.wasm_tools.limits import WasmRuntime
from tool_registry_service.wasm_tools.loading import Loader


def test_a_process_with_too_few_addresses_says_so_instead_of_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (2**30, 2**30))
    runtime = WasmRuntime(
        threads=4, max_waiting=1, cache_dir=tmp_path, max_cache_bytes=1, max_loaded_bytes=1, max_answer_bytes=1,
        compile_timeout_s=1, wait_s=1, idle_unload_s=1,
    )  # fmt: skip
    with pytest.raises(NotATool, match="80 GiB of addresses"):
        Loader(runtime, b"key")
