"""What became of a run."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from kgents_cli.client import ApiClient, ServerEvent, path_below
from kgents_cli.conversation import end_line, tell_what_it_waits_for
from kgents_cli.faults import ApiFault, CliError
from kgents_cli.listing import Item, show_list
from kgents_cli.problems import problem_error
from kgents_cli.tables import day
from kgents_cli.terminal import harmless, progress, style

_EVERY_S: Final = 1.0
_MOST_BROKEN: Final = 30
_MOST_SHOWN: Final = 200


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
        raise _why_it_ended(run["error"])
    elif run["text"] is not None:
        click.echo(harmless(run["text"]))
    else:
        click.echo(f"The run is {harmless(str(run['status']))}.", err=True)
        tell_what_it_waits_for(run)


def list_runs(params: Mapping[str, str], *, as_json: bool) -> None:
    """What `kgents runs list` prints."""
    columns: dict[str, Callable[[Item], object]] = {
        "id": lambda run: run["run_id"],
        "status": lambda run: run["status"],
        "agent": lambda run: f"{run['agent']}@{run['version']}",
        "begun": lambda run: day(run["created_at"]),
        "ended": lambda run: day(run["ended_at"]),
        "error": lambda run: None if run["error"] is None else run["error"]["code"],
    }
    show_list("/runs", columns, none_yet="There are no such runs.", as_json=as_json, params=params)


def cancel_run(run_id: str, *, as_json: bool) -> None:
    """What `kgents runs cancel` does."""
    with ApiClient() as api:
        run = api.call("POST", path_below("/runs", run_id, "cancel"), body={})
    click.echo(json.dumps(run) if as_json else f"{run['status']}: {harmless(str(run['run_id']))}")


def watch_run(run_id: str, *, as_json: bool) -> None:
    """What `kgents runs watch` prints. Where the connection breaks it goes on behind what it heard last.

    Raises:
        CliError: the run failed or was cancelled, or the server stays away.
    """
    heard: str | None = None
    broken = 0
    told = _Told(as_json=as_json)
    with ApiClient() as api:
        while not told.is_over:
            try:
                with api.watch(path_below("/runs", run_id, "events"), heard) as events:
                    for event in events:
                        heard, broken = event.id or heard, 0
                        told.event(event)
                told.stream_ended(heard)
            except ApiFault:
                raise
            except CliError:
                broken += 1
                if broken > _MOST_BROKEN:
                    raise
            if not told.is_over:
                told.begin_again()
                time.sleep(_EVERY_S)
    if told.fault is not None:
        raise told.fault


class _Told:
    """What was printed of a run that is watched; once it `is_over`, its `fault` says why it has no answer."""

    def __init__(self, *, as_json: bool) -> None:
        self.is_over = False
        self.fault: CliError | None = None
        self._as_json = as_json
        self._shown = ""
        self._seen = 0

    def begin_again(self) -> None:
        """The stream begins anew, and with it the answer that is under way."""
        end_line(self._shown)
        self._shown = ""

    def stream_ended(self, heard: str | None) -> None:
        """A stream without any event behind one that was heard says that all of the run was told before."""
        seen, self._seen = self._seen, 0
        self.is_over = self.is_over or (seen == 0 and heard is not None)

    def event(self, event: ServerEvent) -> None:
        """Print one."""
        self._seen += 1
        if self._as_json:
            click.echo(json.dumps({"event": event.name, "id": event.id, "data": event.data}))
        elif event.name == "delta":
            text = str(event.data.get("text", ""))
            self._shown += text
            click.echo(harmless(text), nl=False)
        elif event.name != "completed":
            self.begin_again()
            self._on_the_way(event)
        else:
            text = str(event.data.get("text", ""))
            if not text.startswith(self._shown):
                self.begin_again()
            click.echo(harmless(text.removeprefix(self._shown)), nl=False)
            end_line(text or self._shown)
        if event.name == "cancelled":
            self.fault = CliError("the run was cancelled")
        elif event.name == "failed":
            self.fault = _why_it_ended(event.data)
        self.is_over = event.name in ("completed", "failed", "cancelled")

    @staticmethod
    def _on_the_way(event: ServerEvent) -> None:
        data = event.data
        if event.name == "step" and data.get("role") == "tool":
            click.echo(style(f"  gave {_short(data.get('text'))}", "dim"), err=True)
        elif event.name == "step":
            for call in data.get("tool_calls", ()):
                click.echo(style(f"calls {_short(call['name'])} {_short(call['arguments'])}", "dim"), err=True)
        elif event.name == "retrying":
            why = f"Try {data['number']} failed: {_short(data['detail'])} The next one is due at {data['next_at']}."
            click.echo(style(why, "yellow"), err=True)
        elif event.name == "waiting_approval":
            tell_what_it_waits_for(data)


def _why_it_ended(error: Mapping[str, Any]) -> CliError:
    """Exit 1 whatever it was: that a run has failed is not the fault of who looks at it."""
    fault = problem_error(int(error.get("status") or 500), error)
    return CliError(fault.message, lines=fault.lines, hint=fault.hint)


def _short(value: object) -> str:
    text = " ".join(harmless(value if isinstance(value, str) else json.dumps(value)).split())
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def _ended(api: ApiClient, run_id: str) -> Mapping[str, Any]:
    with progress(f"Waiting for the run {harmless(run_id)}") as shown:
        while True:
            run: Mapping[str, Any] = api.call("GET", path_below("/runs", run_id))
            if run["ended_at"] is not None:
                return run
            shown.update(f"The run is {harmless(str(run['status']))}")
            time.sleep(_EVERY_S)
