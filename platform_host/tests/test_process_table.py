import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from platform_host.embedded.identity import ProcessIdentity
from platform_host.process_table import (
    HostRecord,
    ProcessRow,
    end_left_over,
    process_row,
    recorded_rows,
)

SLEEPER = "import setproctitle, sys, time; setproctitle.setproctitle(sys.argv[1]); print(flush=True); time.sleep(600)"


def sleeper(title: str) -> subprocess.Popen[bytes]:
    """A child of ours that goes by `title`."""
    child = subprocess.Popen([sys.executable, "-c", SLEEPER, title], stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout as output:
        output.readline()
    return child


def end(*children: subprocess.Popen[bytes]) -> None:
    for child in children:
        child.kill()
        child.wait()


def test_a_row_is_only_made_of_a_process_that_runs() -> None:
    child = sleeper("x")
    end(child)
    assert process_row("worker", child.pid, "running") is None
    assert process_row("nats", None, "down") is None
    own = process_row("host", os.getpid(), "ready")
    assert own is not None
    assert (own.pid, own.state, own.agent) == (os.getpid(), "ready", None)


def test_the_record_is_private_and_says_what_runs(tmp_path: Path) -> None:
    path = tmp_path / "host.json"
    rows = [ProcessRow("worker", 12, "mark", "demo", "ready")]
    record = HostRecord(path, lambda: rows)
    record.facts = {"pid": 1, "url": "http://127.0.0.1:8080"}
    record.write()
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text()) == {
        "pid": 1,
        "url": "http://127.0.0.1:8080",
        "processes": [{"role": "worker", "pid": 12, "started": "mark", "agent": "demo", "state": "ready"}],
    }
    assert recorded_rows(path) == rows
    record.remove()
    assert recorded_rows(path) == []


def test_the_record_is_only_written_when_something_changed(tmp_path: Path) -> None:
    path = tmp_path / "host.json"
    rows = [ProcessRow("worker", 12, "mark", "demo", "ready")]
    record = HostRecord(path, lambda: rows)
    record.write()
    first = path.stat().st_ino
    record.write()
    assert path.stat().st_ino == first
    rows.clear()
    record.write()
    assert json.loads(path.read_text())["processes"] == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"processes": [{"role": "worker"}]}', '{"processes": 3}'])
def test_a_damaged_record_is_taken_for_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "host.json"
    path.write_text(text)
    assert recorded_rows(path) == []


async def test_what_a_killed_host_left_is_ended_and_a_stranger_with_its_pid_is_not() -> None:
    worker, stranger, server = sleeper("kgents: worker a"), sleeper("a stranger"), sleeper("postgres")
    try:
        rows = [
            process_row("worker", worker.pid, "ready", "a"),
            ProcessRow("worker", stranger.pid, "another time", "b", "ready"),
            process_row("postgres", server.pid, "ready"),
        ]
        waiting = asyncio.create_task(asyncio.to_thread(worker.wait))
        ended = await end_left_over([row for row in rows if row is not None])
        assert [row.pid for row in ended] == [worker.pid]
        assert await waiting == -signal.SIGTERM
        assert ProcessIdentity.of(stranger.pid) is not None
        assert ProcessIdentity.of(server.pid) is not None
    finally:
        end(worker, stranger, server)
