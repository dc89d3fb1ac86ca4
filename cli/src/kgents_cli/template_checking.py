"""Whether templates in folders work: what a contributor runs before they share one."""

from collections.abc import Sequence
from pathlib import Path

import click

from agent_management_service.templates.errors import BrokenTemplate
from agent_management_service.templates.loading import Template, load_template
from kgents_cli.agent_tests.loading import load_job
from kgents_cli.agent_tests.outcomes import totals
from kgents_cli.agent_tests.report import show_outcomes
from kgents_cli.agent_tests.running import Choice, Job, run_jobs
from kgents_cli.faults import BadInput
from kgents_cli.problems import problem_error
from kgents_shared.errors import FaultItem


def check_templates(folders: Sequence[Path], *, verbose: bool) -> int:
    """Load each template, then run the scenarios of all of them; 1 if a case failed.

    Raises:
        BadInput: a template can't be used, or is tested by no case of a scripted model.
    """
    jobs = [job for folder in folders for job in _jobs(folder)]
    outcomes = run_jobs(jobs, Choice())
    show_outcomes(outcomes, verbose=verbose)
    untested = next((outcome.file for outcome in outcomes if outcome.count("skipped") == len(outcome.cases)), None)
    if untested is not None:
        raise BadInput(f"{untested} has no case with a scripted model", hint="a template is shared with its tests")
    return 1 if totals(outcomes)["failed"] else 0


def _jobs(folder: Path) -> list[Job]:
    template = _loaded(folder)
    files = [f"scenarios-{agent.part}.toml" if agent.part else "scenarios.toml" for agent in template.agents]
    return [load_job(folder / file) for file in files]


def _loaded(folder: Path) -> Template:
    if not folder.is_dir():
        raise BadInput(f"{folder} is no folder", hint="name a template's folder: it holds template.toml and agent.toml")
    try:
        template = load_template(folder.resolve(), "directory")
    except BrokenTemplate as broken:
        lines = [line for fault in broken.errors for line in _lines(folder, fault)]
        raise BadInput(f"the template {folder} can't be used:", lines=lines) from broken
    click.echo(f"{template.name} {template.metadata.version}: {len(template.agents)} agent(s), valid")
    return template


def _lines(folder: Path, fault: FaultItem) -> Sequence[str]:
    """One fault as compilers write them: `folder/agent.toml:3:1: limits.memory_mb: …`."""
    file, *place = fault.loc or ("",)
    shown = {**fault.as_json(), "loc": place}
    return problem_error(422, {"errors": [shown]}, source=str(folder / str(file))).lines
