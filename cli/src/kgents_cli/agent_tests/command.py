"""What `kgents test-agent` does."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from kgents_cli.agent_tests.junit import write_junit
from kgents_cli.agent_tests.loading import load_job
from kgents_cli.agent_tests.outcomes import totals
from kgents_cli.agent_tests.report import show_outcomes
from kgents_cli.agent_tests.running import Choice, run_jobs
from kgents_cli.faults import BadInput


def run_scenarios(
    files: Sequence[Path],
    agent: Path | None,
    wanted: str,
    *,
    real: bool,
    junit: Path | None,
    verbose: bool,
    as_json: bool,
) -> int:
    """Run the files' chosen cases and report on them; 1 if one failed."""
    jobs = [load_job(file, agent) for file in files]
    outcomes = run_jobs(jobs, Choice(wanted, real))
    counts = totals(outcomes)
    if not sum(counts.values()):
        raise BadInput(f"no case has {wanted!r} in its name", hint="leave --case out to run all of them")
    if junit is not None:
        write_junit(junit, outcomes)
    if as_json:
        click.echo(json.dumps({**counts, "files": [outcome.as_json() for outcome in outcomes]}))
    else:
        show_outcomes(outcomes, verbose=verbose)
    return 1 if counts["failed"] else 0
