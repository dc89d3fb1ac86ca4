import json
from pathlib import Path

import pytest

from benchmarks.enumeration import KNOWN, LOGIN, REGISTER, UNKNOWN, main, right_guesses


def test_a_short_run_asks_of_known_and_unknown_addresses_and_is_answered_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    raw, markdown = tmp_path / "raw.json", tmp_path / "table.md"
    assert main(["--quick", "--json", str(raw), "--markdown", str(markdown)]) == 0
    written = json.loads(raw.read_text())
    for what, status in ((LOGIN, "401"), (REGISTER, "202")):
        assert {kind: len(times) for kind, times in written["times_ms"][what].items()} == {KNOWN: 5, UNKNOWN: 5}
        (known,), (unknown,) = (written["answers"][what][kind] for kind in (KNOWN, UNKNOWN))
        assert known == unknown
        assert known.startswith(status)
    assert markdown.read_text().startswith(f"|  | {UNKNOWN} | {KNOWN} |")
    assert "right guesses by time (%)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("known", "unknown", "right"),
    [([3.0, 4.0], [1.0, 2.0], 100), ([1.0, 2.0], [3.0, 4.0], 100), ([1.0, 4.0], [2.0, 3.0], 50), ([1, 3], [2, 4], 75)],
)
def test_a_guess_is_as_good_as_the_times_lie_apart(known: list[float], unknown: list[float], right: float):
    assert right_guesses({KNOWN: known, UNKNOWN: unknown}) == right
