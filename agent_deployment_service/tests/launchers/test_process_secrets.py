"""No secret of the platform, and none of another agent, is in the memory or environment of what the launcher starts."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kgents_shared.testing.polling import eventually

if TYPE_CHECKING:
    from .conftest import ProcessBench

BLOCK = 1 << 20
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may read another process's memory")


def memory_of(pid: int) -> Iterator[bytes]:
    """All readable memory of a process, in blocks; the rest of a mapping that can't be read is left out."""
    with Path(f"/proc/{pid}/maps").open(encoding="utf-8") as maps, Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            start, end = (int(part, 16) for part in span.split("-"))
            if "r" not in rights or "[v" in line:
                continue
            try:
                memory.seek(start)
                while start < end:
                    block = memory.read(min(BLOCK, end - start))
                    if not block:
                        break
                    start += len(block)
                    yield block
            except OSError:
                continue


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def owner_of_environment(pid: int) -> int:
    return Path(f"/proc/{pid}/environ").stat().st_uid


def status_of(pid: int) -> str:
    return Path(f"/proc/{pid}/status").read_text(encoding="utf-8")


def holds(pid: int, needle: str) -> bool:
    kept = b""
    for block in memory_of(pid):
        if needle.encode() in kept + block:
            return True
        kept = block[-len(needle) :]
    return False


async def test_what_the_platform_was_given_is_in_no_environment_and_no_memory_of_its_children(
    process_bench: ProcessBench, monkeypatch: pytest.MonkeyPatch
):
    canary = "canary-" + os.urandom(12).hex()
    monkeypatch.setenv("RUNTIME_OPENAI_API_KEY", canary)
    monkeypatch.setenv("DEPLOYMENT_DATABASE_URL", f"postgresql://u:{canary}@127.0.0.1/x")
    # The bench's fork server began before the canary was there: the one that follows it did not.
    await process_bench.launcher.protections()
    os.kill(process_bench.forkserver_pid(), signal.SIGKILL)
    await eventually(lambda: not process_bench.launcher.processes())
    launched = await process_bench.started()
    pids = [process_bench.forkserver_pid(), launched.pid or 0]
    assert holds(os.getpid(), canary)
    for pid in pids:
        environment = environment_of(pid)
        assert canary.encode() not in environment
        assert b"DATABASE_URL" not in environment
        assert not holds(pid, canary)


async def test_one_agents_token_is_in_no_other_agents_memory(process_bench: ProcessBench):
    token = os.urandom(32).hex()
    first = await process_bench.launcher.launch(replace(process_bench.request("first"), token=token))
    await process_bench.launcher.wait_healthy(first.instance_id, 20)
    second = await process_bench.started("second")
    assert holds(first.pid or 0, token)
    assert not holds(process_bench.forkserver_pid(), token)
    assert not holds(second.pid or 0, token)


async def test_neither_the_server_nor_a_worker_can_be_dumped_or_traced_by_its_own_user(process_bench: ProcessBench):
    launched = await process_bench.started()
    for pid in (process_bench.forkserver_pid(), launched.pid or 0):
        # A process that is not dumpable has its /proc files owned by root whatever its own user is (proc(5)).
        assert owner_of_environment(pid) == 0
    status = status_of(launched.pid or 0)
    assert "CapEff:\t0000000000000000" in status
    assert "CapBnd:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status
    assert int(status.split("Uid:")[1].split()[0]) != 0
