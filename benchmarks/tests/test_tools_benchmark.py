import json
from pathlib import Path

import pytest

from benchmarks.tools import BUILTIN, LOCAL, main


def test_a_short_run_calls_both_kinds_of_tool_and_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    raw, markdown = tmp_path / "raw.json", tmp_path / "table.md"
    assert main(["--quick", "--json", str(raw), "--markdown", str(markdown)]) == 0
    measured = json.loads(raw.read_text())["times_ms"]
    assert {what: len(times) for what, times in measured.items()} == {
        f"{BUILTIN}, one at a time": 5,
        f"{BUILTIN}, 16 at once": 32,
        f"{LOCAL}, one at a time": 5,
        f"{LOCAL}, 16 at once": 32,
    }
    assert all(time > 0 for times in measured.values() for time in times)
    assert f"{LOCAL}, one at a time, p50 (ms)" in markdown.read_text()
    assert "calls/s" in capsys.readouterr().out
