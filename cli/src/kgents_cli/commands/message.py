"""`kgents message`."""

import click


@click.command()
@click.argument("agent")
@click.argument("text")
@click.option("--conversation", metavar="ID", help="Go on with this conversation.")
@click.option("--json", "as_json", is_flag=True, help="Wait for the whole answer and print one JSON object.")
def command(agent: str, text: str, conversation: str | None, as_json: bool) -> None:
    """Send a message to an agent and print its answer as it comes.

    TEXT `-` reads standard input.

    \b
    Examples:
      kgents message my-agent "Hello"
      kgents message my-agent "And then?" --conversation 01990d0e-…
      kgents message my-agent "Hello" --json
    """
    from kgents_cli.conversation import send_message

    send_message(agent, text, conversation, as_json=as_json)
