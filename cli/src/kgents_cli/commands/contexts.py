"""`kgents contexts list|create|show|update|delete|join|leave|say|history|metrics|persist|state`."""

from pathlib import Path
from typing import Any

import click

from kgents_cli.parameters import FilePath, Slug

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_MODELS = click.Choice(("parallel", "sequential"))


@click.group()
def command() -> None:
    """Let several agents answer in one conversation: who takes part, what is said, what it took.

    \b
    Examples:
      kgents contexts create "Tea" --agent researcher --agent writer
      kgents contexts say 0199c0de-0000-7000-8000-000000000000 "What is tea?"
      kgents contexts history 0199c0de-0000-7000-8000-000000000000
    """


@command.command(name="list")
@_JSON
def list_contexts(as_json: bool) -> None:
    """List your contexts and your organisations', newest first.

    \b
    Examples:
      kgents contexts list
    """
    from kgents_cli.contexts import list_contexts as run

    run(as_json=as_json)


@command.command()
@click.argument("name")
@click.option("--agent", "agents", multiple=True, metavar="NAME", help="An agent that takes part; repeat it.")
@click.option("--model", type=_MODELS, default="parallel", show_default=True, help="At once, or one after the other.")
@click.option("--organisation", metavar="SLUG", type=Slug(), help="Of this organisation.")
@_JSON
def create(name: str, agents: tuple[str, ...], model: str, organisation: str | None, as_json: bool) -> None:
    """Make a context.

    \b
    Examples:
      kgents contexts create "Tea" --agent researcher --agent writer --model sequential
    """
    from kgents_cli.contexts import create_context

    create_context(name, agents, model, organisation, as_json=as_json)


@command.command()
@click.argument("context")
@_JSON
def show(context: str, as_json: bool) -> None:
    """Show a context with who takes part.

    \b
    Examples:
      kgents contexts show 0199c0de-0000-7000-8000-000000000000
    """
    from kgents_cli.contexts import show_context

    show_context(context, as_json=as_json)


@command.command()
@click.argument("context")
@click.option("--name", metavar="TEXT", help="Another name.")
@click.option("--model", type=_MODELS, help="Who answers when.")
@click.option("--status", type=click.Choice(("active", "closed")), help="Whether it takes messages.")
def update(context: str, **given: Any) -> None:
    """Change a context; what you don't name stays.

    \b
    Examples:
      kgents contexts update 0199c0de-0000-7000-8000-000000000000 --status closed
    """
    from kgents_cli.contexts import update_context

    update_context(context, given)


@command.command()
@click.argument("context")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def delete(context: str, yes: bool) -> None:
    """Delete a context with what was said in it.

    \b
    Examples:
      kgents contexts delete 0199c0de-0000-7000-8000-000000000000 --yes
    """
    from kgents_cli.contexts import delete_context

    delete_context(context, yes=yes)


@command.command()
@click.argument("context")
@click.argument("agent")
@click.option("--role", metavar="TEXT", default="", help="What it is there for.")
@click.option("--only-addressed", is_flag=True, help="It sees only what is said to it.")
def join(context: str, agent: str, role: str, only_addressed: bool) -> None:
    """Have an agent take part: it sees what is said from now on.

    \b
    Examples:
      kgents contexts join 0199c0de-0000-7000-8000-000000000000 editor --role "shortens"
    """
    from kgents_cli.contexts import join_context

    join_context(context, agent, role, only_addressed=only_addressed)


@command.command()
@click.argument("context")
@click.argument("agent")
def leave(context: str, agent: str) -> None:
    """Have an agent take part no longer; what it said stays.

    \b
    Examples:
      kgents contexts leave 0199c0de-0000-7000-8000-000000000000 editor
    """
    from kgents_cli.contexts import leave_context

    leave_context(context, agent)


@command.command()
@click.argument("context")
@click.argument("text")
@click.option("--to", "agents", multiple=True, metavar="NAME", help="Who is to answer; repeat it. Without it, all.")
@click.option("--private", is_flag=True, help="Hide it, and its answers, from everybody else.")
@click.option("--rounds", type=click.IntRange(1, 5), default=1, show_default=True, help="How often they answer.")
@_JSON
def say(context: str, text: str, agents: tuple[str, ...], private: bool, rounds: int, as_json: bool) -> None:
    """Say something in a context and print the answers. TEXT `-` reads standard input.

    \b
    Examples:
      kgents contexts say 0199c0de-0000-7000-8000-000000000000 "What is tea?"
      kgents contexts say 0199c0de-0000-7000-8000-000000000000 "Between us" --to writer --private
    """
    from kgents_cli.contexts import say_in_context

    say_in_context(context, text, {"to": list(agents) or None, "private": private, "rounds": rounds}, as_json=as_json)


@command.command()
@click.argument("context")
@click.option("--agent", metavar="NAME", help="Only what this participant may see.")
@_JSON
def history(context: str, agent: str | None, as_json: bool) -> None:
    """Print what was said, oldest first.

    \b
    Examples:
      kgents contexts history 0199c0de-0000-7000-8000-000000000000 --agent writer
    """
    from kgents_cli.contexts import show_history

    show_history(context, agent, as_json=as_json)


@command.command()
@click.argument("context")
@_JSON
def metrics(context: str, as_json: bool) -> None:
    """Show messages, tokens, cost and times, by agent.

    \b
    Examples:
      kgents contexts metrics 0199c0de-0000-7000-8000-000000000000
    """
    from kgents_cli.contexts import show_metrics

    show_metrics(context, as_json=as_json)


@command.command()
@click.argument("context")
@click.argument("file", type=FilePath(exists=True, dir_okay=False))
def persist(context: str, file: Path) -> None:
    """Keep the JSON object of FILE with a context, in place of what was kept.

    \b
    Examples:
      kgents contexts persist 0199c0de-0000-7000-8000-000000000000 state.json
    """
    from kgents_cli.contexts import persist_state

    persist_state(context, file)


@command.command()
@click.argument("context")
def state(context: str) -> None:
    """Print what is kept with a context, as JSON.

    \b
    Examples:
      kgents contexts state 0199c0de-0000-7000-8000-000000000000
    """
    from kgents_cli.contexts import show_state

    show_state(context)
