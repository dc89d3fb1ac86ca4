"""Deaths: of a worker, of the fork server, of the launcher's own process; and what is left afterwards (nothing)."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from agent_deployment_service.launchers.process.identity import ProcessIdentity, ProcessRecord
from agent_deployment_service.launchers.process.launcher import ProcessLauncher, ProcessLauncherOptions
from agent_deployment_service.launchers.protocol import ExitReason, LaunchError
from kgents_shared.testing.polling import eventually

if TYPE_CHECKING:
    from .conftest import ProcessBench


def alive(pid: int) -> bool:
    return ProcessIdentity.of(pid) is not None


def spare_of(process_bench: ProcessBench) -> int:
    """The pid of the child that waits to be a worker, 0 while there is none."""
    return next((row.pid for row in process_bench.launcher.processes() if row.state == "spare"), 0)


async def test_processes_carry_titles_that_say_what_they_are(process_bench: ProcessBench):
    launched = await process_bench.started("greeter")
    assert psutil.Process(launched.pid or 0).cmdline()[0] == "kgents: worker greeter"
    assert psutil.Process(process_bench.forkserver_pid()).cmdline()[0] == "kgents: forkserver"
    rows = [row for row in process_bench.launcher.processes() if row.state != "spare"]
    assert [(row.role, row.agent, row.state) for row in rows] == [
        ("forkserver", None, "ready"),
        ("worker", "greeter", "ready"),
    ]
    assert psutil.Process(launched.pid or 0).ppid() == process_bench.forkserver_pid()
    assert psutil.Process(process_bench.forkserver_pid()).ppid() == os.getpid()


async def test_the_child_that_waits_to_be_a_worker_is_shown_as_a_process_too(process_bench: ProcessBench):
    await process_bench.launcher.protections()
    pid = await eventually(lambda: spare_of(process_bench))
    await eventually(lambda: psutil.Process(pid).cmdline()[0] == "kgents: worker (spare)")
    launched = await process_bench.started("greeter")
    assert launched.pid == pid
    assert psutil.Process(pid).cmdline()[0] == "kgents: worker greeter"


async def test_a_killed_spare_is_replaced_and_missed_by_nobody(process_bench: ProcessBench):
    await process_bench.launcher.protections()
    first = await eventually(lambda: spare_of(process_bench))
    os.kill(first, signal.SIGKILL)
    await eventually(lambda: spare_of(process_bench) not in (0, first))
    assert await process_bench.answers(await process_bench.started())


async def test_a_worker_that_crashes_at_once_is_told_with_its_exit_code(process_bench: ProcessBench):
    asked = process_bench.request(behaviour="crash at once")
    try:
        launched = await process_bench.launcher.launch(asked)
    except LaunchError as error:  # it was gone before its launch had ended
        told = str(error)
    else:
        ended = await asyncio.wait_for(process_bench.launcher.next_exit(), 60)
        assert (ended.instance_id, ended.code) == (launched.instance_id, 3)
        told = ended.detail
    assert told == "it ended with exit code 3"
    assert await process_bench.launcher.logs(asked.agent_id, 5) == ["I was told to crash"]


async def test_a_killed_worker_is_told_with_its_signal_and_its_folder_is_gone(process_bench: ProcessBench):
    launched = await process_bench.started()
    os.kill(launched.pid or 0, signal.SIGKILL)
    ended = await asyncio.wait_for(process_bench.launcher.next_exit(), 60)
    assert ended.detail == "it was killed by SIGKILL"
    assert not Path(launched.endpoint_url.removeprefix("unix:")).parent.exists()


async def test_a_worker_that_ignores_the_request_to_end_is_killed(process_bench: ProcessBench):
    launched = await process_bench.started(behaviour="never ends by itself")
    await process_bench.launcher.stop(launched.instance_id, 0.1)
    assert await process_bench.exit_of(launched.instance_id) == ExitReason.STOPPED
    assert not alive(launched.pid or 0)


async def test_when_the_fork_server_is_killed_its_workers_die_and_a_new_one_serves(process_bench: ProcessBench):
    workers = [await process_bench.started(f"a{n}") for n in range(3)]
    server = process_bench.forkserver_pid()
    os.kill(server, signal.SIGKILL)
    ended = [await asyncio.wait_for(process_bench.launcher.next_exit(), 60) for _ in workers]
    assert {item.reason for item in ended} == {ExitReason.LOST}
    assert {item.instance_id for item in ended} == {item.instance_id for item in workers}
    assert not any(alive(item.pid or 0) for item in workers)
    again = await process_bench.started("again")
    assert await process_bench.answers(again)
    assert process_bench.forkserver_pid() != server


async def test_after_a_killed_launcher_nothing_is_left_and_the_next_start_is_clean(
    short_folder: Callable[[], Path],
):
    home = short_folder()
    script = Path(__file__).parent / "workers" / "doomed_launcher.py"
    with _started([sys.executable, str(script), str(home)]) as doomed:
        assert doomed.stdout is not None
        pids = [int(item) for item in doomed.stdout.readline().split()]
        assert len(pids) == 3
        assert all(alive(pid) for pid in pids)
        doomed.kill()
    await eventually(lambda: not any(alive(pid) for pid in pids), 10, describe="no orphan")
    launcher = ProcessLauncher(_options(home))
    await launcher.start()
    assert not list((home / "run" / "instances").iterdir())
    await launcher.close(1)


async def test_leftovers_are_ended_by_pid_and_start_time_and_others_are_spared(short_folder: Callable[[], Path]):
    with _started(["sleep", "600"]) as left, _started(["sleep", "600"]) as spared:
        mine, other = ProcessIdentity.of(left.pid), ProcessIdentity.of(spared.pid)
        assert mine is not None
        assert other is not None
        record = ProcessRecord(short_folder() / "processes.json")
        record.write([mine, ProcessIdentity(other.pid, "another process of this number")])
        assert record.reap() == [left.pid]
        assert left.wait(10) == -signal.SIGKILL
        assert spared.poll() is None
        spared.kill()


async def test_a_damaged_record_is_no_reason_not_to_start(short_folder: Callable[[], Path]):
    path = short_folder() / "processes.json"
    path.write_text("{half of a", encoding="utf-8")
    assert ProcessRecord(path).reap() == []
    assert not path.exists()


async def test_closing_leaves_no_process_and_no_control_group(short_folder: Callable[[], Path]):
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    launcher = ProcessLauncher(_options(short_folder()))
    await launcher.start()
    await launcher.protections()
    await launcher.close(1)
    after = psutil.Process().children(recursive=True)
    assert [item for item in after if item.pid not in before and item.name().startswith("kgents")] == []


async def test_a_worker_module_that_is_missing_is_told_as_what_it_is(short_folder: Callable[[], Path]):
    launcher = ProcessLauncher(_options(short_folder(), worker_module="no_such_worker"))
    await launcher.start()
    with pytest.raises(LaunchError, match="no_such_worker"):
        await launcher.protections()
    await launcher.close(1)


async def test_a_home_whose_path_is_too_long_for_a_socket_is_told(short_folder: Callable[[], Path]):
    launcher = ProcessLauncher(_options(short_folder() / ("x" * 100)))
    await launcher.start()
    with pytest.raises(LaunchError, match="too long for a Unix socket"):
        await launcher.protections()
    await launcher.close(1)


def _started(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _options(home: Path, worker_module: str = "scripted_worker") -> ProcessLauncherOptions:
    workers = Path(__file__).parent / "workers"
    return ProcessLauncherOptions(
        home / "run", home / "logs", f"unix:{home}/door/d.sock", home / "door", worker_module, import_paths=(workers,)
    )
