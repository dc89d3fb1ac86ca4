import json
from pathlib import Path

import pytest

from benchmarks.wasm import CORE, JAVASCRIPT, OURS, PYTHON, REFERENCE, main


@pytest.mark.timeout(300)
def test_a_short_run_measures_the_pool_and_the_platform(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    raw, markdown = tmp_path / "raw.json", tmp_path / "table.md"
    assert main(["--quick", "--json", str(raw), "--markdown", str(markdown)]) == 0
    printed = capsys.readouterr().out
    measured = json.loads(raw.read_text())
    assert set(measured["per_second"]) == {CORE, PYTHON, JAVASCRIPT}
    assert set(measured["per_second"][CORE]) == {REFERENCE, OURS}
    assert all(time_ms > 0 for time_ms in measured["alone_ms"])
    assert f"{CORE}, in the pool (calls/s a core)" in printed
    assert f"{CORE}, through the platform, p50 (ms)" in markdown.read_text()
