"""What became of a run."""

import json
import time
from collections.abc import Mapping
from typing import Any, Final

import click

from kgents_cli.client import ApiClient, path_below
from kgents_cli.conversation import tell_what_it_waits_for
from kgents_cli.problems import problem_error
from kgents_cli.terminal import harmless, progress

_EVERY_S: Final = 1.0


def show_run(run_id: str, *, wait: bool, as_json: bool) -> None:
    """What `kgents runs show` prints: the answer to stdout, all else to stderr.

    Raises:
        CliError: the run failed.
    """
    with ApiClient() as api:
        run = _ended(api, run_id) if wait else api.call("GET", path_below("/runs", run_id))
    if as_json:
        click.echo(json.dumps(run))
    elif run["error"] is not None:
        raise problem_error(int(run["error"].get("status") or 500), run["error"])
    elif run["text"] is not None:
        click.echo(harmless(run["text"]))
    else:
        click.echo(f"The run is {harmless(str(run['status']))}.", err=True)
        tell_what_it_waits_for(run)


def _ended(api: ApiClient, run_id: str) -> Mapping[str, Any]:
    with progress(f"Waiting for the run {harmless(run_id)}") as shown:
        while True:
            run: Mapping[str, Any] = api.call("GET", path_below("/runs", run_id))
            if run["ended_at"] is not None:
                return run
            shown.update(f"The run is {harmless(str(run['status']))}")
            time.sleep(_EVERY_S)
