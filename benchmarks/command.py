"""What every benchmark's command line takes, and where its figures go: a table on stdout, the rest into files."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from benchmarks.report import as_markdown, as_text

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

EffortT = TypeVar("EffortT", bound="DataclassInstance")
MEDIANS = "how often everything is measured (medians are taken)"


def parser_of(
    name: str, description: str, quick: str = "a short run that shows that it works, not how fast"
) -> argparse.ArgumentParser:
    """The options of `kgents bench NAME` that all benchmarks have."""
    parser = argparse.ArgumentParser(prog=f"kgents bench {name}", description=description)
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the raw figures")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table for docs/benchmarks.md")
    return parser


def effort_of(chosen: Any, quick: EffortT, full: EffortT) -> EffortT:
    """What the command line asks for, which has `--rounds`."""
    effort = quick if chosen.quick else full
    return replace(effort, rounds=chosen.rounds) if chosen.rounds else effort


def write_files(chosen: Any, lines: Sequence[Sequence[str]], results: "DataclassInstance") -> None:
    """The files that the command line names: everything that was measured, and the table."""
    if chosen.json:
        chosen.json.write_text(json.dumps(asdict(results), indent=2) + "\n", encoding="utf-8")
    if chosen.markdown:
        chosen.markdown.write_text(as_markdown(lines) + "\n", encoding="utf-8")


def tell(chosen: Any, lines: Sequence[Sequence[str]], results: "DataclassInstance") -> None:
    """Print the table, and write the files that the command line names."""
    print(as_text(lines))
    write_files(chosen, lines, results)
