import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.child_process import ROOT, python_module
from benchmarks.message import main
from benchmarks.process_tree import cpu_seconds, memory_of


async def test_cpu_and_memory_of_a_process_are_read_from_its_tree(tmp_path: Path):
    module = "kgents_shared.testing.model_server"
    async with python_module(module, log=tmp_path / "log") as (pid, _):
        assert cpu_seconds([pid]) > 0
        (memory,) = memory_of([pid])
        assert memory.pid == pid
        assert memory.pss >= memory.uss > 0
    assert cpu_seconds([pid]) == 0
    assert cpu_seconds([os.getpid()]) > 0


def test_a_short_run_prints_figures_and_writes_them(tmp_path: Path):
    raw, markdown = tmp_path / "raw.json", tmp_path / "table.md"
    command = [sys.executable, "-m", "benchmarks.message", "--quick", "--only", "B"]
    command += ["--json", str(raw), "--markdown", str(markdown)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "16 at once (messages/s)" in done.stdout
    samples = json.loads(raw.read_text())["samples"]
    assert {sample["load"] for sample in samples} == {
        "one at a time",
        "16 at once",
        "16 at once, conversations of 10",
    }
    assert all(sample["figures"]["errors"] == 0 for sample in samples)
    assert markdown.read_text().startswith("|  | B |")


def test_an_unknown_candidate_is_bad_input():
    with pytest.raises(SystemExit) as left:
        main(["--only", "C"])
    assert left.value.code == 2
