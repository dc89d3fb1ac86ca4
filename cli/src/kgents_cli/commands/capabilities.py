"""`kgents capabilities list|message|deliveries`."""

import click

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def command() -> None:
    """Ask whichever of your agents can do something, and see what was asked of whom.

    \b
    Examples:
      kgents capabilities list
      kgents capabilities message translate "Guten Tag"
      kgents capabilities deliveries
    """


@command.command(name="list")
@_JSON
def list_capabilities(as_json: bool) -> None:
    """List what your agents that run can do.

    \b
    Examples:
      kgents capabilities list
    """
    from kgents_cli.capabilities import list_capabilities as run

    run(as_json=as_json)


@command.command()
@click.argument("capability")
@click.argument("text")
@click.option("--conversation", metavar="ID", help="Go on with this conversation, and with its agent.")
@click.option("--to", metavar="AGENT", help="Who is asked where nobody who can do it can be.")
@click.option("--json", "as_json", is_flag=True, help="Wait for the whole answer and print one JSON object.")
def message(capability: str, text: str, conversation: str | None, to: str | None, as_json: bool) -> None:
    """Send a message to an agent that has the CAPABILITY and print its answer as it comes.

    TEXT `-` reads standard input.

    \b
    Examples:
      kgents capabilities message translate "Guten Tag"
      kgents capabilities message translate "Guten Tag" --to helper --json
    """
    from kgents_cli.capabilities import send_to_capability

    send_to_capability(capability, text, conversation, to, as_json=as_json)


@command.command()
@click.option("--capability", metavar="NAME", help="Only what was sent to this one.")
@click.option("--agent", metavar="NAME", help="Only what this agent was given.")
@_JSON
def deliveries(capability: str | None, agent: str | None, as_json: bool) -> None:
    """List to whom messages were given and why, newest first.

    \b
    Examples:
      kgents capabilities deliveries
      kgents capabilities deliveries --capability translate --json
    """
    from kgents_cli.capabilities import list_deliveries

    list_deliveries({"capability": capability, "agent": agent}, as_json=as_json)
