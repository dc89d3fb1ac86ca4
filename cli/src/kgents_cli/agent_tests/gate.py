"""`--require-tests`: an agent is published only if its scenarios pass."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kgents_cli.agent_tests.loading import agent_of, load_job
from kgents_cli.agent_tests.outcomes import totals
from kgents_cli.agent_tests.report import show_outcomes, summary
from kgents_cli.agent_tests.running import Choice, run_jobs
from kgents_cli.client import ApiClient, agent_path
from kgents_cli.faults import CliError
from kgents_shared.contracts.agent_spec import AgentSpec


def require_tests(files: Sequence[Path], spec: AgentSpec) -> None:
    """Run the files' cases on `spec`, whatever agent they name.

    Raises:
        CliError: a case failed, or none was run; the report is on stderr.
    """
    outcomes = run_jobs([load_job(file, spec=spec) for file in files], Choice())
    counts = totals(outcomes)
    if counts["failed"]:
        show_outcomes(outcomes, err=True)
        raise CliError(f"{spec.name} was not published: {summary(outcomes)}", hint="mend the agent or its scenarios")
    if not counts["passed"]:
        raise CliError(f"{spec.name} was not published: {summary(outcomes)}", hint="script at least one case's model")


def require_tests_of_draft(api: ApiClient, agent: str, files: Sequence[Path]) -> dict[str, Any]:
    """The same for the draft that a publish would freeze, which is given back."""
    draft: dict[str, Any] = api.call("GET", agent_path(agent))["draft"]
    require_tests(files, agent_of(json.dumps(draft).encode(), Path(f"{agent}.json")))
    return draft
