import json
from pathlib import Path

import pytest

from benchmarks.scenarios import CHECK, COMMAND, LONG, OURS, SHORT, main


def test_a_short_run_measures_cases_commands_and_templates(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    raw, markdown = tmp_path / "raw.json", tmp_path / "table.md"
    assert main(["--quick", "--json", str(raw), "--markdown", str(markdown)]) == 0
    printed = capsys.readouterr().out
    measured = json.loads(raw.read_text())["medians_ms"]
    assert all(len(times) == 1 and times[0] > 0 for times in measured.values())
    for what in (SHORT, LONG, COMMAND, CHECK):
        assert f"{what} (ms)" in printed
        assert f"{what} (ms)" in markdown.read_text()
    assert OURS in printed
