"""A pytest plugin: what SlipCover counted, before pytest's closing line, which stays the last one on stdout."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

_TOLD_BELOW = 95.0


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The files of which less than 95 % is covered, and the whole; SlipCover fails the run if it is too little."""
    gathered = Path(os.environ["SLIPCOVER_COVERAGE_DIR"]) / "merged.json"
    counted: dict[str, Any] = json.loads(gathered.read_bytes())
    terminalreporter.section("coverage")
    for line in table(counted):
        terminalreporter.write_line(line)


def table(counted: dict[str, Any]) -> list[str]:
    """SlipCover's JSON as lines: file, lines and branches, how many of them no test came to, percent."""
    files: dict[str, Any] = counted["files"]
    width = max(map(len, files), default=0)
    lines = [
        _line(name, file["summary"], width)
        for name, file in sorted(files.items())
        if file["summary"]["percent_covered"] < _TOLD_BELOW
    ]
    return [*lines, _line("TOTAL", counted["summary"], width)]


def _line(name: str, summary: dict[str, Any], width: int) -> str:
    missed = summary["missing_lines"] + summary["missing_branches"]
    whole = summary["covered_lines"] + summary["covered_branches"] + missed
    return f"{name:<{width}} {whole:>7} {missed:>6} {summary['percent_covered']:>5.1f} %"
