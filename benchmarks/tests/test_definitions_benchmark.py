import json
from pathlib import Path

import pytest

from benchmarks.definitions import FAULTY, OURS, PAGES, REFERENCE, TYPICAL, definitions, main
from kgents_shared.definitions.examine import examine


def test_a_short_run_measures_reading_judging_and_writing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    raw, markdown = tmp_path / "raw.json", tmp_path / "table.md"
    assert main(["--quick", "--json", str(raw), "--markdown", str(markdown)]) == 0
    printed = capsys.readouterr().out
    measured = json.loads(raw.read_text())["medians_ms"]
    assert set(measured[TYPICAL]) == {REFERENCE, OURS}
    assert all(times[OURS][0] > 0 for times in measured.values())
    for what in (TYPICAL, PAGES):
        assert f"{what} (ms)" in printed
        assert f"{what} (ms)" in markdown.read_text()


def test_what_is_measured_is_valid_but_for_the_one_with_faults():
    faults = {what: len(examine(body, "toml").errors) for what, body in definitions().items()}
    assert faults.pop(FAULTY) == 20
    assert set(faults.values()) == {0}
