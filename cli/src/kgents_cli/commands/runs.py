"""`kgents runs list|show|watch|cancel`."""

import click

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_STATUSES = ("queued", "running", "waiting_approval", "completed", "failed", "cancelled")


@click.group()
def command() -> None:
    """List, show, watch and cancel runs: messages, and what answering them takes.

    \b
    Examples:
      kgents runs list --status running
      kgents runs watch 0199c0de-0000-7000-8000-000000000000
      kgents runs cancel 0199c0de-0000-7000-8000-000000000000
    """


@command.command(name="list")
@click.option("--agent", metavar="AGENT", help="Of this agent alone.")
@click.option("--status", type=click.Choice(_STATUSES), help="That stand so.")
@click.option("--conversation", "conversation_id", metavar="ID", help="Of this conversation alone.")
@click.option("--since", metavar="TIME", help="Begun then or later: 2026-11-21T09:00:00Z.")
@_JSON
def list_runs(
    agent: str | None, status: str | None, conversation_id: str | None, since: str | None, as_json: bool
) -> None:
    """List your runs, newest first.

    \b
    Examples:
      kgents runs list
      kgents runs list --agent my-agent --status failed --since 2026-11-21T00:00:00Z
    """
    from kgents_cli.parameters import named_options
    from kgents_cli.runs import list_runs as run

    asked = {"agent": agent, "status": status, "conversation_id": conversation_id, "since": since}
    run(named_options(asked), as_json=as_json)


@command.command()
@click.argument("run")
@click.option("--wait", is_flag=True, help="Wait until it has ended.")
@_JSON
def show(run: str, wait: bool, as_json: bool) -> None:
    """Show a run by its id: its answer, or what it waits for.

    \b
    Examples:
      kgents runs show 0199c0de-0000-7000-8000-000000000000
      kgents runs show 0199c0de-0000-7000-8000-000000000000 --wait
    """
    from kgents_cli.runs import show_run

    show_run(run, wait=wait, as_json=as_json)


@command.command()
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="Print each event as a line of JSON.")
def watch(run: str, as_json: bool) -> None:
    """Follow a run from its beginning to its end, through approvals, new tries and restarts of the server.

    The answer goes to stdout, what happens on the way to stderr. Ctrl-C ends the watching, not the run.

    \b
    Examples:
      kgents runs watch 0199c0de-0000-7000-8000-000000000000
    """
    from kgents_cli.runs import watch_run

    watch_run(run, as_json=as_json)


@command.command()
@click.argument("run")
@_JSON
def cancel(run: str, as_json: bool) -> None:
    """End a run before its time, whether it is queued, running or waits for an approval.

    What its tools did by then stays done; the next message of its conversation goes on.

    \b
    Examples:
      kgents runs cancel 0199c0de-0000-7000-8000-000000000000
    """
    from kgents_cli.runs import cancel_run

    cancel_run(run, as_json=as_json)
