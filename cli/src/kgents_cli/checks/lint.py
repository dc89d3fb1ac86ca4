"""Everything that is judged without running the product: side by side, each with its time."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import click

from kgents_cli.faults import BadInput
from kgents_cli.terminal import style


@dataclass(frozen=True, slots=True)
class Check:
    """One judgement: its name and the command that makes it, run at the checkout's root."""

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a check ended: exit code, seconds, and what it printed."""

    check: Check
    code: int
    seconds: float
    output: str


def all_checks(root: Path) -> list[Check]:
    """The checks in the order in which they are started: the slowest first, so that the others run beside it."""
    tools = root / ".venv/bin" if (root / ".venv/bin/ruff").exists() else Path(sys.executable).parent
    return [
        Check("types", (str(tools / "basedpyright"), "--warnings")),
        Check("migrations", (sys.executable, "-P", "-m", "kgents_cli.checks.migrations")),
        Check("imports", (str(tools / "lint-imports"),)),
        Check("ruff", (str(tools / "ruff"), "check", ".")),
        Check("format", (str(tools / "ruff"), "format", "--check", ".")),
        Check("references", (sys.executable, "-P", "-m", "kgents_cli.checks.references")),
        Check("locks", (sys.executable, "-P", "-m", "kgents_cli.locks", "--check")),
    ]


def run_lint(root: Path, names: Sequence[str] = (), *, fix: bool = False) -> int:
    """Runs the named checks, or all; prints a line for each and what the failed ones said. 0 if none failed.

    Raises:
        BadInput: a name is no check's.
    """
    known = {check.name: check for check in all_checks(root)}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise BadInput(f"there is no check {unknown[0]!r}", hint=f"there is: {', '.join(known)}")
    if fix:
        for words in (("check", "--fix-only", "--quiet", "."), ("format", "--quiet", ".")):
            subprocess.run([known["ruff"].command[0], *words], cwd=root, check=False)
    chosen = [known[name] for name in names] or list(known.values())
    return report(run_checks(root, chosen, _show))


def run_checks(root: Path, checks: Sequence[Check], show: Callable[[Outcome], None]) -> list[Outcome]:
    """Runs checks side by side, as many as there are cores; `show` gets each as it ends."""
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 2)) as pool:
        for future in as_completed([pool.submit(_run, root, check) for check in checks]):
            outcome = future.result()
            outcomes.append(outcome)
            show(outcome)
    return outcomes


def _run(root: Path, check: Check) -> Outcome:
    start = time.monotonic()
    try:
        answer = subprocess.run(
            check.command, cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            check=False,
        )  # fmt: skip
    except OSError as fault:
        return Outcome(check, 1, time.monotonic() - start, f"{check.command[0]}: {fault.strerror}")
    return Outcome(check, answer.returncode, time.monotonic() - start, answer.stdout.decode(errors="replace"))


def _show(outcome: Outcome) -> None:
    word = style("ok", "green", sys.stdout) if outcome.code == 0 else style("failed", "red", sys.stdout)
    click.echo(f"lint {outcome.check.name:11} {word:6} {outcome.seconds:6.1f} s")
    sys.stdout.flush()


def report(outcomes: Sequence[Outcome]) -> int:
    """Prints on stderr what the failed checks said; 0 if none failed."""
    failed = [outcome for outcome in outcomes if outcome.code != 0]
    for outcome in failed:
        click.echo(f"\n--- {outcome.check.name}: {' '.join(outcome.check.command)}", err=True)
        click.echo(outcome.output.rstrip(), err=True)
    return 1 if failed else 0
