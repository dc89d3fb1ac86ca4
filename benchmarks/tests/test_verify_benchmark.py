import json
from pathlib import Path

import pytest

from benchmarks.verify import CACHED, COLD, KEY, OURS, REFERENCE, main


def test_a_short_run_measures_every_kind_of_bearer_and_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    raw, markdown = tmp_path / "raw.json", tmp_path / "table.md"
    assert main(["--quick", "--json", str(raw), "--markdown", str(markdown)]) == 0
    printed = capsys.readouterr().out
    measured = json.loads(raw.read_text())["medians_us"]
    assert set(measured[COLD]) == {REFERENCE, OURS}
    assert all(times[OURS][0] > 0 for times in measured.values())
    for what in (COLD, CACHED, KEY):
        assert f"{what} (µs)" in printed
        assert f"{what} (µs)" in markdown.read_text()
