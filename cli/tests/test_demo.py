"""The demo on the real platform cleans up when it is stopped. All that it shows: `tests/e2e/test_fresh_clone.py`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest


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
