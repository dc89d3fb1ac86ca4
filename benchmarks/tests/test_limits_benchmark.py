import json
from pathlib import Path

import pytest

from benchmarks.limits import FOUR, MESSAGE, NONE, OURS, PACE, main


def test_a_short_run_measures_the_checks_and_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    raw, markdown = tmp_path / "raw.json", tmp_path / "table.md"
    assert main(["--quick", "--json", str(raw), "--markdown", str(markdown)]) == 0
    printed = capsys.readouterr().out
    measured = json.loads(raw.read_text())["medians_us"]
    assert all(times[OURS][0] > 0 for times in measured.values())
    for what in (NONE, FOUR, MESSAGE, PACE):
        assert f"{what} (µs)" in printed
        assert f"{what} (µs)" in markdown.read_text()
