"""`kgents message`."""

import click


@click.command()
@click.argument("agent")
@click.argument("text")
@click.option("--conversation", metavar="ID", help="Go on with this conversation.")
@click.option("--continue", "-c", "go_on", is_flag=True, help="Go on with the newest conversation with AGENT.")
@click.option("--json", "as_json", is_flag=True, help="Wait for the whole answer and print one JSON object.")
def command(agent: str, text: str, conversation: str | None, go_on: bool, as_json: bool) -> None:
    """Send a message to an agent and print its answer as it comes.

    TEXT `-` reads standard input. AGENT@3 asks for version 3, AGENT@canary for the canary.

    \b
    Examples:
      kgents message my-agent "Hello"
      kgents message my-agent "And then?" --continue
      kgents message my-agent "And then?" --conversation 01990d0e-…
      kgents message my-agent@3 "Hello"
      kgents message my-agent "Hello" --json
    """
    from kgents_cli.conversation import send_message

    send_message(agent, text, conversation, go_on=go_on, as_json=as_json)
