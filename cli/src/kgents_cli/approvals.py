"""What agents want to do outside, as a person reads it and decides on it."""

import json
import sys
from collections.abc import Mapping
from typing import Any

import click

from kgents_cli.client import ApiClient, path_below
from kgents_cli.faults import as_called
from kgents_cli.listing import show_list
from kgents_cli.tables import day
from kgents_cli.terminal import harmless, style

Item = Mapping[str, Any]
_PATH = "/approvals"
_COLOURS = {"pending": "yellow", "approved": "green", "consumed": "green", "rejected": "red"}


def list_approvals(params: Mapping[str, str], *, as_json: bool) -> None:
    """What `kgents approvals list` prints."""
    none_yet = "Nothing waits for you." if params.get("status") == "pending" else "There are no such approvals."
    show_list(
        _PATH,
        {
            "id": lambda approval: approval["id"],
            "status": lambda approval: approval["status"],
            "agent": lambda approval: approval["agent_name"],
            "until": lambda approval: day(approval["expires_at"]),
            "action": lambda approval: approval["action"],
            "summary": lambda approval: approval["summary"],
        },
        none_yet=none_yet,
        as_json=as_json,
        params=params,
    )


def show_approval(approval_id: str, *, as_json: bool) -> None:
    """What `kgents approvals show` prints."""
    with ApiClient() as api:
        approval = api.call("GET", path_below(_PATH, approval_id))
    if as_json:
        click.echo(json.dumps(approval))
        return
    click.echo(f"{_line(approval['summary'])}  {_status(approval)}")
    click.echo()
    for name, value in (
        ("action", approval["action"]),
        ("agent", approval["agent_name"]),
        ("run", approval["run_id"]),
        ("asked by", approval["requested_by"]),
        ("asked", day(approval["created_at"])),
        ("until", day(approval["expires_at"])),
        ("sha-256", approval["payload_hash"]),
    ):
        if value is not None:
            click.echo(f"{name:9} {_line(str(value))}")
    click.echo("payload")
    # JSON keeps what is on one line there on one line here: nothing in it can look like a line of ours.
    written = json.dumps(approval["payload"], indent=2, ensure_ascii=False)
    click.echo("\n".join(f"  {harmless(line)}" for line in written.split("\n")))
    click.echo("history")
    for record in approval["history"]:
        note = "" if record["note"] is None else f": {_line(record['note'])}"
        click.echo(f"  {day(record['at'])}  {record['what']} by {_line(record['who'])}{note}")
    if approval["status"] == "pending":
        click.echo(as_called(f"Decide with: kgents approvals approve {approval_id}"), err=True)
        click.echo(as_called(f"         or: kgents approvals reject {approval_id}"), err=True)


def decide(approval_id: str, decision: str, note: str | None, *, as_json: bool) -> None:
    """Say yes or no, and show to what."""
    body = {"decision": decision} | ({} if note is None else {"note": note})
    with ApiClient() as api:
        approval = api.call("POST", path_below(_PATH, approval_id, "decide"), body=body)
    click.echo(json.dumps(approval) if as_json else f"{_status(approval)}: {_line(approval['summary'])}")


def _status(approval: Item) -> str:
    status = str(approval["status"])
    return style(status, _COLOURS.get(status, "dim"), sys.stdout)


def _line(text: str) -> str:
    return " ".join(harmless(text).split())
