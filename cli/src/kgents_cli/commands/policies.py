"""`kgents policies list|show|add|update|delete|versions|check|schema`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from kgents_cli.parameters import FilePath, Slug

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_ORGANISATION = click.option("--organisation", metavar="SLUG", type=Slug(), help="Of this organisation.")
_PLATFORM = click.option("--platform", is_flag=True, help="Of the whole platform (administrators).")
_DISABLED = click.option("--disabled", is_flag=True, help="Keep it without letting it decide anything.")
_DESCRIPTION = click.option("--description", metavar="TEXT", default="", help="What it is for.")


def _named(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (_JSON, _PLATFORM, _ORGANISATION, click.argument("name")):
        command = option(command)
    return command


@click.group()
def command() -> None:
    """Make, change and try policies: rules in Cedar that calls of tools are held against.

    \b
    Examples:
      kgents policies check mail.send --file no-mail.cedar
      kgents policies add no-mail no-mail.cedar
      kgents policies list
    """


@command.command(name="list")
@click.option("--level", type=click.Choice(("platform", "owner")), help="Of this level alone.")
@_ORGANISATION
@_JSON
def list_policies(level: str | None, organisation: str | None, as_json: bool) -> None:
    """List the policies that hold for you: yours, your organisations' and the platform's.

    \b
    Examples:
      kgents policies list
    """
    from kgents_cli.policies import list_policies as run

    run({"level": level, "organisation": organisation}, as_json=as_json)


@command.command()
@_named
def show(name: str, **asked: Any) -> None:
    """Print a policy's text.

    \b
    Examples:
      kgents policies show no-mail
    """
    from kgents_cli.policies import show_policy

    show_policy(name, **asked)


@command.command()
@_named
@click.argument("file", type=FilePath())
@_DESCRIPTION
@_DISABLED
def add(name: str, file: Path, **asked: Any) -> None:
    """Make a policy of FILE (- reads it): it holds everywhere within a second.

    \b
    Examples:
      kgents policies add no-mail no-mail.cedar
    """
    from kgents_cli.policies import add_policy

    add_policy(name, file, **asked)


@command.command()
@_named
@click.argument("file", type=FilePath())
@_DESCRIPTION
@_DISABLED
def update(name: str, file: Path, **asked: Any) -> None:
    """Change a policy to what FILE says (- reads it): it holds everywhere within a second.

    \b
    Examples:
      kgents policies update no-mail no-mail.cedar
      kgents policies update no-mail no-mail.cedar --disabled
    """
    from kgents_cli.policies import update_policy

    update_policy(name, file, **asked)


@command.command()
@_named
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def delete(name: str, **asked: Any) -> None:
    """End a policy.

    \b
    Examples:
      kgents policies delete no-mail
    """
    from kgents_cli.policies import delete_policy

    delete_policy(name, **asked)


@command.command()
@_named
def versions(name: str, **asked: Any) -> None:
    """List what a policy was, and who changed it.

    \b
    Examples:
      kgents policies versions no-mail
    """
    from kgents_cli.policies import list_versions

    list_versions(name, **asked)


@command.command()
@click.argument("tool")
@click.option("--file", type=FilePath(), help="A policy to try beside those in force; - reads it.")
@click.option("--name", metavar="NAME", help="The policy that the file would replace.")
@click.option("--agent", "agent_name", metavar="NAME", help="As a call of this agent.")
@click.option("--arguments", metavar="JSON", help="The call's arguments, a JSON object.")
@click.option(
    "--side-effect", type=click.Choice(("none", "read", "write", "external")),
    help="What the tool does outside, if not what it does now.",
)  # fmt: skip
@click.option(
    "--kind", type=click.Choice(("mcp", "http", "wasm", "builtin")), help="The tool's kind, if not what it is now.",
)  # fmt: skip
@click.option("--at", metavar="TIME", help="As at this time (RFC 3339), not now.")
@_ORGANISATION
@_PLATFORM
@_JSON
def check(tool: str, **asked: Any) -> int:
    """Say what policies would decide of a call of TOOL, without calling it. It ends with 1 where it is denied.

    \b
    Examples:
      kgents policies check mail.send --agent desk
      kgents policies check mail.send --file no-mail.cedar --arguments '{"to": "ada"}'
    """
    from kgents_cli.policies import check_call

    return check_call(tool, **asked)


@command.command()
def schema() -> None:
    """Print what policies can speak of, in Cedar's language for schemas.

    \b
    Examples:
      kgents policies schema
    """
    from kgents_shared.policies.schema import schema_text

    click.echo(schema_text(), nl=False)
