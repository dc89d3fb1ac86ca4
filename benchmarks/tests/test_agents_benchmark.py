import json
from pathlib import Path

import pytest

from benchmarks.agents import IN_PROCESS, OURS, main


@pytest.mark.timeout(120)
def test_a_short_run_measures_the_hop_and_agents_beside_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    raw, markdown = tmp_path / "raw.json", tmp_path / "table.md"
    assert main(["--quick", "--json", str(raw), "--markdown", str(markdown)]) == 0
    measured = json.loads(raw.read_text())
    assert {where: len(times) for where, times in measured["runs_ms"].items()} == {OURS: 20, IN_PROCESS: 20}
    assert len(measured["replies_ms"]) == measured["agents"] == 2
    assert "added by isolation (ms)" in capsys.readouterr().out
    assert "2 agents: published until all answer" in markdown.read_text()
