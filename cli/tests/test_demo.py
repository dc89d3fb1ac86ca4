"""The demo on the real platform: it tells the whole story, leaves nothing running, and cleans up when it is stopped."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kgents_cli.processes import start_mark

from .conftest import Kgents


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the demo makes its own folder. The tests' own would make socket paths longer than the system allows."""
    short = Path(f"/tmp/kd-{os.getpid()}")  # noqa: S108 - see above; made private below
    short.mkdir(mode=0o700, exist_ok=True)
    monkeypatch.setenv("TMPDIR", str(short))
    monkeypatch.setattr("tempfile.tempdir", str(short))
    del tmp_path
    return short


@pytest.mark.timeout(240)
def test_the_demo_shows_the_whole_job_and_leaves_nothing(kgents: Kgents, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KGENTS_TOKEN", "of another server")
    monkeypatch.setenv("KGENTS_URL", "http://127.0.0.1:9")
    ran = kgents("demo")
    assert ran.code == 0, ran.out + ran.err
    assert [line.partition(".")[0] for line in ran.out.splitlines() if re.match(r"\d\.", line)] == list("1234567")
    assert "no language model" in ran.out
    assert ran.out.count("Hello, my name is Ada.") >= 3  # said, echoed, and found in the conversation again
    assert "I was given 2 earlier messages" in ran.out
    assert "no process is left" in ran.out
    [killed] = re.findall(r"kill -9 (\d+)", ran.out)
    pids = {int(pid) for pid in re.findall(r"process (\d+)", ran.out)}
    assert int(killed) in pids
    assert len(pids) >= 5  # a spare worker may stand ready, too
    assert [pid for pid in pids if start_mark(pid) is not None] == []
    assert list(folder.iterdir()) == []


@pytest.mark.timeout(240)
def test_a_demo_that_is_terminated_stops_its_server(folder: Path):
    env = {name: value for name, value in os.environ.items() if not name.startswith(("KGENTS_", "OPENAI_"))}
    command = [sys.executable, "-m", "kgents_cli", "demo"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as demo:
        assert demo.stdout is not None
        said = ""
        for line in demo.stdout:
            said += line
            if "An agent from a TOML file" in line:
                demo.send_signal(signal.SIGTERM)
        assert demo.wait(60) == 143, said
    assert list(folder.iterdir()) == []


@pytest.mark.timeout(240)
def test_a_demo_that_nobody_reads_on_stops_its_server(folder: Path):
    env = {name: value for name, value in os.environ.items() if not name.startswith(("KGENTS_", "OPENAI_"))}
    command = [sys.executable, "-m", "kgents_cli", "demo"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        next(line for line in demo.stdout if "healthy at" in line)
        demo.stdout.close()
        assert demo.wait(60) == 1
    assert list(folder.iterdir()) == []
