"""`kgents conversations list|show|context|pin|unpin|reset|delete`."""

import click

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_YES = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


@click.group()
def command() -> None:
    """List and show conversations, pin facts in them, reset and delete them.

    \b
    Examples:
      kgents conversations list --agent helper
      kgents conversations context 0199c0de-0000-7000-8000-000000000000
      kgents conversations pin 0199c0de-0000-7000-8000-000000000000 name "Ada Lovelace"
    """


@command.command(name="list")
@click.option("--agent", metavar="NAME", help="Those with this agent alone.")
@_JSON
def list_conversations(agent: str | None, as_json: bool) -> None:
    """List your conversations, newest first.

    \b
    Examples:
      kgents conversations list
      kgents conversations list --agent helper --json
    """
    from kgents_cli.conversations import list_conversations as run

    run(agent, as_json=as_json)


@command.command()
@click.argument("conversation")
@_JSON
def show(conversation: str, as_json: bool) -> None:
    """Print what was said in a conversation, all of it, oldest first.

    \b
    Examples:
      kgents conversations show 0199c0de-0000-7000-8000-000000000000
    """
    from kgents_cli.conversations import show_conversation

    show_conversation(conversation, as_json=as_json)


@command.command()
@click.argument("conversation")
@_JSON
def context(conversation: str, as_json: bool) -> None:
    """Print what the model would be shown with the next message: pinned facts, summary, messages, tokens.

    \b
    Examples:
      kgents conversations context 0199c0de-0000-7000-8000-000000000000
    """
    from kgents_cli.conversations import show_context

    show_context(conversation, as_json=as_json)


@command.command()
@click.argument("conversation")
@click.argument("key")
@click.argument("text")
def pin(conversation: str, key: str, text: str) -> None:
    """Pin a fact: the model is shown it with every message from now on.

    \b
    Examples:
      kgents conversations pin 0199c0de-0000-7000-8000-000000000000 name "Ada Lovelace"
    """
    from kgents_cli.conversations import pin_fact

    pin_fact(conversation, key, text)


@command.command()
@click.argument("conversation")
@click.argument("key")
def unpin(conversation: str, key: str) -> None:
    """Take a pinned fact away.

    \b
    Examples:
      kgents conversations unpin 0199c0de-0000-7000-8000-000000000000 name
    """
    from kgents_cli.conversations import unpin_fact

    unpin_fact(conversation, key)


@command.command()
@click.argument("conversation")
def reset(conversation: str) -> None:
    """Clear what the model is shown; what was said and what is pinned stay.

    \b
    Examples:
      kgents conversations reset 0199c0de-0000-7000-8000-000000000000
    """
    from kgents_cli.conversations import reset_conversation

    reset_conversation(conversation)


@command.command()
@click.argument("conversation")
@_YES
def delete(conversation: str, yes: bool) -> None:
    """Delete a conversation with its messages, runs and pinned facts.

    \b
    Examples:
      kgents conversations delete 0199c0de-0000-7000-8000-000000000000 --yes
    """
    from kgents_cli.conversations import delete_conversation

    delete_conversation(conversation, yes=yes)
