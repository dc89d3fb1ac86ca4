"""`kgents wrappers list|get|create|update|delete|deploy|status`."""

from typing import Any

import click

from kgents_cli.parameters import FilePath, Slug

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_FIELDS = (
    click.option("--agent", metavar="NAME", help="The agent that it is over, by name or id."),
    click.option(
        "--config",
        type=FilePath(allow_dash=True),
        metavar="FILE",
        help="What it puts over that agent's definition: system_prompt, llm, tools, limits; or where an agent runs "
        "that is elsewhere: shell, protocol, url. As TOML or JSON.",
    ),
    click.option("--description", metavar="TEXT", help="What it is for, for people."),
    click.option("--version", metavar="X.Y.Z", help="Its own version."),
    click.option("--provider", "providers", multiple=True, metavar="NAME", help="A provider that it may run on."),
)


def _with_fields(function: Any) -> Any:
    for option in reversed(_FIELDS):
        function = option(function)
    return function


@click.group()
def command() -> None:
    """Make and deploy wrappers: agents under other names, with settings of their own.

    A wrapper puts its settings over the definition of an agent. Deployed, it is an agent of its own name; the wrapped
    agent stays as it is.

    \b
    Examples:
      kgents wrappers create careful-desk --agent desk --config careful.toml --provider openai
      kgents wrappers deploy careful-desk
      kgents wrappers status careful-desk
    """


@command.command(name="list")
@_JSON
def list_wrappers(as_json: bool) -> None:
    """List your wrappers, and those of your organisations as `organisation~name`.

    \b
    Examples:
      kgents wrappers list
    """
    from kgents_cli.wrappers import list_wrappers as run

    run(as_json=as_json)


@command.command()
@click.argument("name")
@_JSON
def get(name: str, as_json: bool) -> None:
    """Show one wrapper.

    \b
    Examples:
      kgents wrappers get careful-desk
    """
    from kgents_cli.wrappers import show_wrapper

    show_wrapper(name, as_json=as_json)


@command.command()
@click.argument("name")
@_with_fields
@click.option("--organisation", metavar="SLUG", type=Slug(), help="Of this organisation.")
@_JSON
def create(name: str, organisation: str | None, as_json: bool, **given: Any) -> None:
    """Make a wrapper; nothing runs of it until it is deployed.

    \b
    Examples:
      kgents wrappers create careful-desk --agent desk --config careful.toml
    """
    from kgents_cli.wrappers import create_wrapper

    create_wrapper(name, given, organisation, as_json=as_json)


@command.command()
@click.argument("name")
@_with_fields
@_JSON
def update(name: str, as_json: bool, **given: Any) -> None:
    """Change a wrapper; what you don't name stays. What runs of it goes on until you deploy again.

    \b
    Examples:
      kgents wrappers update careful-desk --version 1.1.0 --config careful.toml
    """
    from kgents_cli.wrappers import update_wrapper

    update_wrapper(name, given, as_json=as_json)


@command.command()
@click.argument("name")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def delete(name: str, yes: bool) -> None:
    """Delete a wrapper and the agent that it was deployed as.

    \b
    Examples:
      kgents wrappers delete careful-desk --yes
    """
    from kgents_cli.wrappers import delete_wrapper

    delete_wrapper(name, yes=yes)


@command.command()
@click.argument("name")
@click.option(
    "--timeout", default=60.0, show_default=True, metavar="SECONDS", help="How long to wait until it answers.",
    type=click.FloatRange(min=0),
)  # fmt: skip
@_JSON
def deploy(name: str, timeout: float, as_json: bool) -> None:
    """Publish a wrapper as the agent of its name and wait until that answers.

    \b
    Examples:
      kgents wrappers deploy careful-desk
    """
    from kgents_cli.wrappers import deploy_wrapper

    deploy_wrapper(name, timeout, as_json=as_json)


@command.command()
@click.argument("name")
@_JSON
def status(name: str, as_json: bool) -> None:
    """Show what runs of a wrapper now.

    \b
    Examples:
      kgents wrappers status careful-desk
    """
    from kgents_cli.wrappers import show_status

    show_status(name, as_json=as_json)
