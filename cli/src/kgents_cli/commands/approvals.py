"""`kgents approvals list|show|approve|reject`."""

from typing import Any

import click

from kgents_cli.parameters import Slug

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_NOTE = click.option("--note", metavar="TEXT", help="What you say to it; the agent is told.")
_STATUSES = ("pending", "approved", "rejected", "expired", "consumed", "cancelled")


@click.group()
def command() -> None:
    """List and show what agents want to do outside, and approve or reject it.

    You decide as yourself, with your own login: no API key and no application can. In an organisation somebody else
    than who asked approves; who asked may reject it, which takes it back.

    \b
    Examples:
      kgents approvals list
      kgents approvals show 0199c0de-0000-7000-8000-000000000000
      kgents approvals approve 0199c0de-0000-7000-8000-000000000000
    """


@command.command(name="list")
@click.option(
    "--status", type=click.Choice((*_STATUSES, "all")), default="pending", show_default=True, help="Where they stand."
)
@click.option("--action", metavar="NAME", help="About this action alone, such as tool:mail.send.")
@click.option("--run", "run_id", metavar="ID", help="Of this run alone.")
@click.option("--organisation", metavar="SLUG", type=Slug(), help="Of this organisation alone.")
@_JSON
def list_approvals(status: str, as_json: bool, **filters: Any) -> None:
    """List what waits for you and your organisations, newest first.

    \b
    Examples:
      kgents approvals list
      kgents approvals list --status all --action tool:mail.send --json
    """
    from kgents_cli.approvals import list_approvals as run

    params = {name: value for name, value in filters.items() if value is not None}
    run(params if status == "all" else {"status": status, **params}, as_json=as_json)


@command.command()
@click.argument("approval")
@_JSON
def show(approval: str, as_json: bool) -> None:
    """Show exactly what is to be carried out, by the approval's id, and what happened to it so far.

    \b
    Examples:
      kgents approvals show 0199c0de-0000-7000-8000-000000000000
    """
    from kgents_cli.approvals import show_approval

    show_approval(approval, as_json=as_json)


@command.command()
@click.argument("approval")
@_NOTE
@_JSON
def approve(approval: str, note: str | None, as_json: bool) -> None:
    """Let it be carried out: this once, exactly as `show` shows it, until it expires.

    \b
    Examples:
      kgents approvals approve 0199c0de-0000-7000-8000-000000000000
    """
    from kgents_cli.approvals import decide

    decide(approval, "approve", note, as_json=as_json)


@command.command()
@click.argument("approval")
@_NOTE
@_JSON
def reject(approval: str, note: str | None, as_json: bool) -> None:
    """Refuse it: the agent goes on without.

    \b
    Examples:
      kgents approvals reject 0199c0de-0000-7000-8000-000000000000 --note "Ask the customer first."
    """
    from kgents_cli.approvals import decide

    decide(approval, "reject", note, as_json=as_json)
