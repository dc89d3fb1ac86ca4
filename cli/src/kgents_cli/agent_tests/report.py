"""Outcomes as a person reads them."""

import sys
from collections.abc import Sequence

import click

from kgents_cli.agent_tests.outcomes import CaseOutcome, FileOutcome, totals
from kgents_cli.terminal import harmless, style

_COLOURS = {"passed": "green", "failed": "red", "skipped": "yellow"}


def show_outcomes(outcomes: Sequence[FileOutcome], *, verbose: bool = False, err: bool = False) -> None:
    """Print each case, for failed ones what was expected and what was said; `verbose` prints every transcript."""
    for outcome in outcomes:
        click.echo(harmless(f"{outcome.file} (agent {outcome.agent})"), err=err)
        for case in outcome.cases:
            _show_case(case, verbose=verbose, err=err)
    click.echo(summary(outcomes), err=err)


def summary(outcomes: Sequence[FileOutcome]) -> str:
    """`3 passed, 1 failed`, and how skipped ones are run."""
    counts = totals(list(outcomes))
    words = [f"{count} {status}" for status, count in counts.items() if count] or ["no case was chosen"]
    return ", ".join(words) + ("; those need a real model: --real" if counts["skipped"] else "")


def _show_case(case: CaseOutcome, *, verbose: bool, err: bool) -> None:
    stream = sys.stderr if err else sys.stdout
    took = "" if case.status == "skipped" else f"  {case.seconds * 1000:.0f} ms"
    click.echo(f"  {style(f'{case.status:7}', _COLOURS[case.status], stream)}  {harmless(case.name)}{took}", err=err)
    for failure in case.failures:
        click.echo(f"           {harmless(str(failure))}", err=err)
    if case.failures or verbose:
        for line in case.transcript:
            click.echo(
                style(f"           | {harmless(line).replace(chr(10), chr(10) + ' ' * 13)}", "dim", stream), err=err
            )
