"""What runs is told truthfully, and stopped for certain; played with real processes that hold a home's pid file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from kgents_cli import background
from kgents_cli.__main__ import enter
from kgents_cli.faults import CliError, NotRunning
from kgents_cli.home import Home
from kgents_cli.processes import find_server, start_mark

from .conftest import Kgents

Started = Callable[..., subprocess.Popen[bytes]]
_IGNORES_TERM = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
)


@pytest.fixture
def started() -> Generator[Started]:
    """Starts Python programs that are gone after the test."""
    running: list[subprocess.Popen[bytes]] = []

    def start(code: str = "import time; print(1, flush=True); time.sleep(60)") -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        running.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def record(home: Home, pid: int, mark: str | None = None, **facts: Any) -> None:
    home.pid_file.parent.mkdir(parents=True, exist_ok=True)
    mark = start_mark(pid) if mark is None else mark
    home.pid_file.write_text(f"{pid}\n{mark}\n")
    home.host_record.write_text(json.dumps({"pid": pid, "started": mark, "state": "ready", **facts}))


def row(role: str, pid: int, agent: str | None = None) -> dict[str, Any]:
    return {"role": role, "pid": pid, "started": start_mark(pid), "agent": agent, "state": "running"}


def test_status_names_every_process_that_still_runs(kgents: Kgents, home: Home, started: Started):
    host, worker, gone = started(), started(), started()
    rows = [row("worker", worker.pid, "my-agent"), row("host", host.pid), row("postgres", gone.pid)]
    gone.kill()
    gone.wait()
    record(home, host.pid, url="http://127.0.0.1:1234", started_at="2026-01-01T00:00:00Z", processes=rows)
    ran = kgents("server", "status", "--json")
    assert ran.code == 0
    assert ran.json["url"] == "http://127.0.0.1:1234"
    assert ran.json["processes"] == [
        {"role": "host", "pid": host.pid, "agent": None, "state": "running"},
        {"role": "worker", "pid": worker.pid, "agent": "my-agent", "state": "running"},
    ]
    shown = kgents("server", "status").out
    assert "Kgents is ready at http://127.0.0.1:1234" in shown
    assert f"{worker.pid}  running    my-agent" in shown


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_worker_that_was_just_started_is_seen_before_the_host_notes_it(home: Home, started: Started):
    title = "kgents: worker new-agent"
    code = f"""
import os, subprocess, time
child = subprocess.Popen([{sys.executable!r}, "-c", "import time, setproctitle; setproctitle.setproctitle({title!r}); "
    "print(1, flush=True); time.sleep(60)"], stdout=subprocess.PIPE)
child.stdout.readline()
print(1, flush=True)
time.sleep(60)
"""
    host = started(code)
    record(home, host.pid, processes=[])
    server = find_server(home)
    assert server is not None
    [worker] = [process for process in server.processes if process.role == "worker"]
    os.kill(worker.pid, signal.SIGKILL)
    assert worker.agent == "new-agent"


def test_a_process_that_only_has_the_hosts_old_pid_is_not_the_host(kgents: Kgents, home: Home, started: Started):
    record(home, started().pid, mark="another:1")
    assert kgents("server", "status").code == 3
    assert kgents("server", "stop").code == 3
    assert kgents("server", "status", "--json").json == {"running": False, "home": str(home.path), "processes": []}


def test_a_host_that_has_not_written_its_record_yet_is_starting(home: Home, started: Started):
    host = started()
    record(home, host.pid)
    home.host_record.write_text(json.dumps({"pid": 1, "url": "http://an-earlier-one", "processes": []}))
    server = find_server(home)
    assert server is not None
    assert (server.state, server.url, server.pid) == ("starting", None, host.pid)


def test_stop_ends_the_host_gently(kgents: Kgents, home: Home, started: Started):
    host = started()
    record(home, host.pid)
    ran = kgents("server", "stop")
    assert (ran.code, ran.out) == (0, f"Kgents is stopped (process {host.pid})\n")
    assert host.wait() == -signal.SIGTERM


def test_stop_kills_a_host_that_does_not_stop_and_warns(kgents: Kgents, home: Home, started: Started):
    host = started(_IGNORES_TERM)
    record(home, host.pid)
    ran = kgents("server", "stop", "--timeout", "0.2")
    assert ran.code == 0
    assert "warning: the server did not stop within 0 s; killing it" in ran.err
    assert host.wait() == -signal.SIGKILL


def test_the_quick_way_to_status_answers_like_the_command(
    kgents: Kgents, home: Home, started: Started, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    record(home, started().pid, url="http://x", processes=[])
    asked = kgents("server", "status", "--json").out
    monkeypatch.setattr("sys.argv", ["kgents", "server", "status", "--json"])
    with pytest.raises(SystemExit) as left:
        enter()
    assert (left.value.code, capsys.readouterr().out) == (0, asked)


def test_status_imports_neither_click_nor_an_http_client(home: Home):
    code = (
        "import sys; sys.argv = ['kgents', 'server', 'status']\n"
        "from kgents_cli.__main__ import enter\n"
        "try: enter()\n"
        "except SystemExit: print(sorted({'click', 'httpx', 'pydantic', 'psutil', 'asyncio'} & set(sys.modules)))"
    )
    env = os.environ | {"KGENTS_HOME": str(home.path)}
    answer = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert answer.stdout.strip() == "[]"


def test_a_server_that_does_not_start_says_why_in_the_hosts_own_words(kgents: Kgents, home: Home):
    home.path.mkdir()
    (home.path / "config.toml").write_text("prot = 1\nbnid = 2\n")
    ran = kgents("server", "start")
    assert ran.code == 2
    assert "prot" in ran.err
    assert "bnid" in ran.err
    assert str(home.server_log) in ran.err
    assert "Traceback" not in ran.err


def test_a_home_that_is_a_file_is_one_sentence(kgents: Kgents, home: Home):
    home.path.write_text("")
    ran = kgents("server", "start")
    assert ran.code == 1
    assert f"{home.path} can't be used" in ran.err
    assert "KGENTS_HOME" in ran.err


def test_start_gives_up_on_a_server_that_never_gets_healthy(home: Home, monkeypatch: pytest.MonkeyPatch):
    home.server_log.parent.mkdir(parents=True)
    home.server_log.write_text("an old line\n")
    monkeypatch.setattr(background, "START_PATIENCE_S", 0.3)
    monkeypatch.setattr(sys, "executable", "/bin/sleep")  # `sleep -P …` ends at once with its own complaint
    with pytest.raises(CliError) as fault:
        background.start_server(home)
    assert "an old line" not in str(fault.value)
    assert fault.value.exit_code == 1


def test_nothing_to_stop_is_not_running(home: Home):
    with pytest.raises(NotRunning):
        background.stop_server(home)


def test_logs_prints_the_last_lines_and_follows(kgents: Kgents, home: Home):
    missing = kgents("server", "logs")
    assert missing.code == 1
    assert "there is no log" in missing.err
    home.server_log.parent.mkdir(parents=True)
    home.server_log.write_text("".join(f"line {number}\n" for number in range(10)))
    assert kgents("server", "logs", "-n", "2").out == "line 8\nline 9\n"
    env = os.environ | {"KGENTS_HOME": str(home.path)}
    command = [sys.executable, "-m", "kgents_cli", "server", "logs", "-f", "-n", "1"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        assert following.stdout.readline() == "line 9\n"
        with home.server_log.open("a") as log:
            log.write("line 10\n")
        assert following.stdout.readline() == "line 10\n"
        following.send_signal(signal.SIGTERM)  # SIGINT is ignored in a background job
        assert following.wait(10) == 143


def test_a_pid_of_no_process_has_no_mark():
    process = subprocess.Popen(["true"])
    process.wait()
    deadline = time.monotonic() + 5
    while start_mark(process.pid) is not None:
        assert time.monotonic() < deadline
    assert Path(f"/proc/{process.pid}").exists() is False or sys.platform != "linux"
