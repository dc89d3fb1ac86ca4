"""What a greedy agent may take: its own share, and no neighbour notices."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from agent_deployment_service.launchers.process.identity import ProcessIdentity
from kgents_shared.isolation.cgroups import groups_of
from kgents_shared.testing.polling import eventually

if TYPE_CHECKING:
    from .conftest import ProcessBench


async def test_a_fork_bomb_is_bounded_and_the_neighbour_answers(process_bench: ProcessBench):
    neighbour = await process_bench.started("neighbour")
    bomber = await process_bench.started("bomber", processes=24)
    source = """
import os, time
result = 0
try:
    while result < 5000:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        result += 1
except OSError as error:
    assert error.errno == 11, error
"""
    answer = await process_bench.run_inside(bomber, source)
    assert 0 < answer["result"] < 24, answer
    used = (await process_bench.launcher.usage([bomber.instance_id]))[bomber.instance_id]
    assert used.processes is None or answer["result"] < used.processes <= 24
    assert await process_bench.answers(neighbour)
    children = [process.pid for process in psutil.Process(bomber.pid).children()]
    assert len(children) == answer["result"]
    await process_bench.launcher.stop(bomber.instance_id, 0)
    await eventually(lambda: not any(ProcessIdentity.of(pid) for pid in children), describe="the bomb is gone")
    assert await process_bench.answers(neighbour)


async def test_a_memory_hog_gets_no_more_than_its_limit_and_only_it_suffers(process_bench: ProcessBench):
    neighbour = await process_bench.started("neighbour")
    hog = await process_bench.started("hog", memory_mb=64)
    source = "kept = []\nwhile len(kept) < 4096:\n    kept.append(bytearray(1048576))\nresult = len(kept)"
    try:
        answer = await process_bench.run_inside(hog, source)
    except (OSError, asyncio.IncompleteReadError):
        assert await process_bench.exit_of(hog.instance_id) == "out_of_memory"
    else:
        assert answer["error"] == "MemoryError"
    assert await process_bench.answers(neighbour)


def _processor_stat(pid: int) -> dict[str, str]:
    """`cpu.stat` of the process's control group, of version 1 or 2."""
    groups = groups_of(pid)
    name = "cpu" if "cpu" in groups else ""
    file = Path("/sys/fs/cgroup") / name / groups[name] / "cpu.stat"
    return dict(row.split() for row in file.read_text().splitlines())


async def test_a_busy_agent_is_held_to_its_share_of_the_processor_and_what_it_uses_is_told(process_bench: ProcessBench):
    walls = {wall.name: wall.on for wall in await process_bench.launcher.protections()}
    if not walls["processor_control_group"]:
        pytest.skip("this user may not make control groups with a processor controller")
    busy = await process_bench.started("busy", cpu=0.1)
    source = """
import time
until, result = time.process_time() + 0.15, 0
while time.process_time() < until:
    result += 1
"""
    assert (await process_bench.run_inside(busy, source))["result"] > 0
    stat = await asyncio.to_thread(_processor_stat, busy.pid or 0)
    assert int(stat["nr_throttled"]) > 0
    used = (await process_bench.launcher.usage([busy.instance_id]))[busy.instance_id]
    assert used.cpu_s >= 0.13  # user and system are each told in whole ticks of 10 ms
    assert used.memory_mb is not None
    assert 0 < used.memory_mb <= 256


async def test_many_greedy_processes_together_get_no_more_than_one_limit(process_bench: ProcessBench):
    neighbour = await process_bench.started("neighbour")
    hog = await process_bench.started("hog", memory_mb=64)
    source = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        kept = [b"x" * 1048576 for _ in range(48)]
        time.sleep(1)
        os._exit(0)
result = sum(os.waitstatus_to_exitcode(os.waitpid(-1, 0)[1]) == -9 for _ in range(8))
"""
    try:
        answer = await process_bench.run_inside(hog, source)
    except (OSError, asyncio.IncompleteReadError):  # control groups of version 2 end the whole sandbox
        assert await process_bench.exit_of(hog.instance_id) == "out_of_memory"
    else:
        assert answer["result"] >= 6
    assert await process_bench.answers(neighbour)


async def test_a_worker_that_floods_its_log_fills_no_disk(process_bench: ProcessBench):
    asked = process_bench.request("chatty")
    launched = await process_bench.launcher.launch(asked)
    await process_bench.launcher.wait_healthy(launched.instance_id, 20)
    source = "import os\nfor _ in range(400):\n    os.write(2, (b'y' * 1023 + b'\\n') * 64)"
    await process_bench.run_inside(launched, source)
    await process_bench.launcher.stop(launched.instance_id, 2)
    files = list((process_bench.home / "logs").glob(f"{asked.agent_id}*"))
    assert 0 < sum(path.stat().st_size for path in files) < 5 * 1024 * 1024
    assert all(len(line) < 2000 for line in await process_bench.launcher.logs(asked.agent_id, 50))
