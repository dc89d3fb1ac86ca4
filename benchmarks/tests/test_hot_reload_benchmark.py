import json
from pathlib import Path

import pytest

from benchmarks.hot_reload import ANSWERS, REFUSED, TOGETHER, TOLD, main


def test_a_short_run_reloads_agents_one_by_one_and_together_and_writes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    raw, markdown = tmp_path / "raw.json", tmp_path / "table.md"
    assert main(["--quick", "--json", str(raw), "--markdown", str(markdown)]) == 0
    measured = json.loads(raw.read_text())["times_ms"]
    assert {what: len(times) for what, times in measured.items()} == {ANSWERS: 2, TOLD: 2, REFUSED: 2, TOGETHER: 2}
    assert all(time > 0 for times in measured.values() for time in times)
    assert f"{ANSWERS}, p50 (ms)" in markdown.read_text()
    assert "2 agents saved at once" in capsys.readouterr().out
