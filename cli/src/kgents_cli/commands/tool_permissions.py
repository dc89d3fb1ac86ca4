"""`kgents tools allow|deny|permissions|capabilities|capability|denials`."""

from collections.abc import Callable
from typing import Any

import click

from kgents_cli.parameters import Slug

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_ORGANISATION = click.option("--organisation", metavar="SLUG", type=Slug(), help="Of this organisation.")
_SYSTEM = click.option("--system", is_flag=True, help="Of the whole platform (administrators).")
_REMOVE = click.option("--remove", is_flag=True, help="Take it back.")


def _of_whom(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        _JSON,
        _REMOVE,
        click.option("--note", metavar="TEXT", help="Why, for who reads the rules later."),
        _SYSTEM,
        _ORGANISATION,
        click.option("--agent", metavar="NAME", help="For this agent alone."),
        click.argument("pattern"),
    ):
        command = option(command)
    return command


@click.command()
@_of_whom
def allow(pattern: str, **asked: Any) -> None:
    """Put tools on an allowlist: yours, an organisation's, one agent's, or the platform's.

    PATTERN is a tool's name with * for anything, or capability:NAME. As soon as there is an allow at a level, nothing
    else passes there; a deny wins over it. It holds from the next call on.

    \b
    Examples:
      kgents tools allow 'time.*' --agent desk
      kgents tools allow capability:reading --organisation acme
      kgents tools allow 'time.*' --agent desk --remove
    """
    from kgents_cli.tools.permissions import rule

    rule("allow", pattern, **asked)


@click.command()
@_of_whom
def deny(pattern: str, **asked: Any) -> None:
    """Let no call of the tools pass: of your agents, an organisation's, one agent, or anybody on the platform.

    PATTERN is a tool's name with * for anything, or capability:NAME. Deny wins over every allow. It holds from the next
    call on.

    \b
    Examples:
      kgents tools deny 'shell.*'
      kgents tools deny mail.send --agent desk --note "People send mail"
      kgents tools deny 'shell.*' --remove
    """
    from kgents_cli.tools.permissions import rule

    rule("deny", pattern, **asked)


@click.command()
@click.option("--agent", metavar="NAME", help="For this agent alone.")
@_ORGANISATION
@_JSON
def permissions(agent: str | None, organisation: str | None, as_json: bool) -> None:
    """List the rules that say who may call which tool: yours, your organisations' and the platform's.

    \b
    Examples:
      kgents tools permissions
      kgents tools permissions --agent desk --json
    """
    from kgents_cli.tools.permissions import list_rules

    list_rules({"agent": agent, "organisation": organisation}, as_json=as_json)


@click.command()
@_ORGANISATION
@_JSON
def capabilities(organisation: str | None, as_json: bool) -> None:
    """List the names that stand for several tools: yours, your organisations' and the platform's.

    \b
    Examples:
      kgents tools capabilities
    """
    from kgents_cli.tools.permissions import list_capabilities

    list_capabilities({"organisation": organisation}, as_json=as_json)


@click.command()
@click.argument("name")
@click.argument("patterns", nargs=-1)
@click.option("--description", metavar="TEXT", default="", help="What the name stands for, in words.")
@_ORGANISATION
@_SYSTEM
@_REMOVE
@_JSON
def capability(name: str, patterns: tuple[str, ...], **asked: Any) -> None:
    """Say which tools a name stands for; rules and definitions then say capability:NAME.

    \b
    Examples:
      kgents tools capability reading 'files.read*' 'wiki.*'
      kgents tools capability reading --remove
    """
    from kgents_cli.tools.permissions import set_capability

    set_capability(name, patterns, **asked)


@click.command()
@click.option("--agent", metavar="NAME", help="Of this agent alone.")
@click.option("--tool", metavar="NAME", help="Of this tool alone.")
@click.option("--since", metavar="TIME", help="Calls begun at or after this time (RFC 3339).")
@click.option("--until", metavar="TIME", help="Calls begun before this time (RFC 3339).")
@_ORGANISATION
@_JSON
def denials(as_json: bool, **filters: Any) -> None:
    """Count what was denied, by day, agent, tool and rule or policy; the newest days first.

    \b
    Examples:
      kgents tools denials
      kgents tools denials --agent desk --since 2026-11-01T00:00:00Z
    """
    from kgents_cli.tools.permissions import count_denials

    count_denials(filters, as_json=as_json)


COMMANDS = (allow, deny, permissions, capabilities, capability, denials)
