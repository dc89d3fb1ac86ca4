"""`kgents tools list|search|show|versions|add|refresh|remove|set|accept|test|call|invocations|invocation`."""

from typing import Any

import click

from kgents_cli.commands.tool_permissions import COMMANDS as PERMISSION_COMMANDS
from kgents_cli.parameters import Slug, named_options

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_OUTCOME = "completed, tool_error, denied, waiting_approval, unknown, …"
_SIDE_EFFECTS = ("none", "read", "write", "external")
_KINDS = ("mcp", "http", "builtin")
_STATES = ("active", "changed", "removed")


@click.group()
def command() -> None:
    """List, add, show, search, test, call and accept tools, and say who may call which.

    A tool is named `<server>.<tool>`, or `<organisation>~<server>.<tool>` where it isn't your own.

    \b
    Examples:
      kgents tools list
      kgents tools show time.convert_time
      kgents tools call time.get_current_time --argument timezone=UTC
    """


@command.command(name="list")
@click.option("--server", metavar="NAME", help="Of this MCP server alone.")
@click.option("--kind", type=click.Choice(_KINDS), help="Of this kind alone.")
@click.option("--capability", metavar="NAME", help="Those that a capability covers.")
@click.option("--state", type=click.Choice(_STATES), help="In this state alone.")
@click.option("--organisation", metavar="SLUG", type=Slug(), help="Of this organisation alone.")
@_JSON
def list_tools(server: str | None, as_json: bool, **filters: str | None) -> None:
    """List your tools, those of your organisations and the builtin ones.

    \b
    Examples:
      kgents tools list
      kgents tools list --server time --json
    """
    from kgents_cli.tools.catalogue import list_tools as run

    params = named_options(filters)
    if server is not None:
        from kgents_cli.client import ApiClient
        from kgents_cli.tools.servers import find_server

        with ApiClient() as api:
            params["server_id"] = find_server(api, server)["id"]
    run(params, as_json=as_json)


@command.command()
@click.argument("text")
@_JSON
def search(text: str, as_json: bool) -> None:
    """List the tools whose name or description has the words of TEXT.

    \b
    Examples:
      kgents tools search "convert time"
    """
    from kgents_cli.tools.catalogue import list_tools as run

    run({"q": text}, as_json=as_json)


@command.command()
@click.argument("name")
@_JSON
def show(name: str, as_json: bool) -> None:
    """Show what a tool does and which arguments it takes.

    \b
    Examples:
      kgents tools show time.convert_time
    """
    from kgents_cli.tools.catalogue import show_tool

    show_tool(name, as_json=as_json)


@command.command()
@click.argument("name")
@_JSON
def versions(name: str, as_json: bool) -> None:
    """List the definitions of a tool that were pinned, by whom and when.

    \b
    Examples:
      kgents tools versions time.convert_time
    """
    from kgents_cli.tools.catalogue import list_versions

    list_versions(name, as_json=as_json)


@command.command()
@click.argument("source", metavar="FILE_OR_URL")
@click.option("--name", metavar="NAME", help="What the tool is called, or what comes before each tool of an API.")
@click.option("--base-url", metavar="URL", help="Where the API answers, instead of where its document says.")
@click.option("--only", "operations", multiple=True, metavar="PATTERN", help="Operations that are wanted; repeat it.")
@click.option("--credential", "credential_ref", metavar="REF", help="What the calls are authorized with (cred_…).")
@click.option("--auth", metavar="WAY", help="How that is shown: bearer, basic, header=NAME or query=NAME.")
@click.option(
    "--side-effect", "side_effects", multiple=True, metavar="[PATTERN=]EFFECT",
    help="What calls do outside: none, read, write or external (as long as you don't say so); repeat it.",
)  # fmt: skip
@click.option("--organisation", metavar="SLUG", type=Slug(), help="For this organisation, rather than for yourself.")
@_JSON
def add(source: str, as_json: bool, **given: Any) -> None:
    """Make a tool of one HTTP request (a TOML file), or of each operation of an OpenAPI document (a file or a URL).

    \b
    Examples:
      kgents tools add weather-now.toml
      kgents tools add https://api.example.com/openapi.json --name shop --only 'get*' --side-effect 'get*=read'
    """
    from kgents_cli.tools.adding import Wanted, add_tools

    add_tools(source, Wanted(**given), as_json=as_json)


@command.command()
@click.argument("name")
@click.argument("file", required=False)
@_JSON
def refresh(name: str, file: str | None, as_json: bool) -> None:
    """Read the document of the imported API NAME again, from where it was or from FILE.

    What has changed is off until you accept it.

    \b
    Examples:
      kgents tools refresh shop
      kgents tools refresh shop openapi.yaml
    """
    from kgents_cli.tools.adding import refresh_import

    refresh_import(name, file, as_json=as_json)


@command.command()
@click.argument("name")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@_JSON
def remove(name: str, yes: bool, as_json: bool) -> None:
    """Forget the HTTP tool NAME, or the imported API NAME with all its tools.

    \b
    Examples:
      kgents tools remove weather.now --yes
    """
    from kgents_cli.tools.adding import remove_tool

    remove_tool(name, yes=yes, as_json=as_json)


@command.command(name="set")
@click.argument("name")
@click.option(
    "--side-effect", type=click.Choice(_SIDE_EFFECTS),
    help="What a call does outside: an external one needs an approval each time.",
)  # fmt: skip
@click.option("--cost", metavar="AMOUNT", help="What one call costs; it counts in budgets, in USD.")
@click.option("--currency", default="USD", show_default=True, metavar="CODE", help="Of that cost.")
@_JSON
def set_(name: str, side_effect: str | None, cost: str | None, currency: str, as_json: bool) -> None:
    """Say what calls of a tool do outside (what its server says of that is not believed), and what one costs.

    \b
    Examples:
      kgents tools set time.convert_time --side-effect none
      kgents tools set mail.send --side-effect external --cost 0.02 --currency EUR
    """
    from kgents_cli.tools.catalogue import set_cost, set_side_effect

    if side_effect is None and cost is None:
        raise click.UsageError("name --side-effect or --cost")
    if cost is not None:
        set_cost(name, cost, currency, as_json=as_json)
    if side_effect is not None:
        set_side_effect(name, side_effect, as_json=as_json)


@command.command()
@click.argument("name")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@_JSON
def accept(name: str, yes: bool, as_json: bool) -> None:
    """Show how a tool's definition has changed, and take it: the tool is on again.

    \b
    Examples:
      kgents tools accept weather.today
    """
    from kgents_cli.tools.catalogue import accept as run

    run(name, yes=yes, as_json=as_json)


@command.command()
@click.argument("name")
@click.option("--arguments", metavar="JSON", help="These, rather than made-up ones; - reads them.")
@click.option("--show", "shows_only", is_flag=True, help="Only print the arguments that it would be called with.")
@_JSON
def test(name: str, arguments: str | None, shows_only: bool, as_json: bool) -> int:
    """Call a tool with arguments that are made from its schema, and show both.

    It is a real call: what the tool does is done. An external one waits for its approval like any other.

    \b
    Examples:
      kgents tools test time.get_current_time
      kgents tools test mail.send --show
    """
    from kgents_cli.tools.calls import try_tool

    return try_tool(name, arguments, shows_only=shows_only, as_json=as_json)


@command.command()
@click.argument("name")
@click.argument("arguments", required=False)
@click.option("--argument", "fields", multiple=True, metavar="NAME=VALUE", help="One of them; repeat it.")
@click.option("--key", metavar="KEY", help="A key of your own: the same call is made once under it.")
@_JSON
def call(name: str, arguments: str | None, fields: tuple[str, ...], key: str | None, as_json: bool) -> int:
    """Call a tool with ARGUMENTS, a JSON object (- reads it), and print its result.

    The call goes the way that calls of agents go: permission, policy, approval and record are the same. One that
    waited for an approval goes on when the same command is given again.

    \b
    Examples:
      kgents tools call time.get_current_time --argument timezone=UTC
      kgents tools call time.get_current_time '{"timezone": "UTC"}'
    """
    from kgents_cli.tools.calls import call_tool

    return call_tool(name, arguments, fields, key, as_json=as_json)


@command.command()
@click.option("--agent", metavar="NAME", help="Calls of this agent, by name or id.")
@click.option("--run", metavar="ID", help="Calls of this run.")
@click.option("--tool", metavar="PATTERN", help="Calls of this tool; * stands for anything.")
@click.option("--outcome", metavar="WORD", help=f"Calls that ended so: {_OUTCOME}")
@click.option("--principal", metavar="ID", help="Calls that this person or machine asked for.")
@click.option("--since", metavar="TIME", help="Calls begun at or after this time (RFC 3339).")
@click.option("--until", metavar="TIME", help="Calls begun before this time (RFC 3339).")
@click.option("--organisation", metavar="SLUG", type=Slug(), help="Of this organisation alone.")
@click.option("--most", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many at most.")
@_JSON
def invocations(most: int, as_json: bool, **filters: Any) -> None:
    """List the calls of tools that were made, newest first.

    \b
    Examples:
      kgents tools invocations
      kgents tools invocations --agent desk --outcome denied
    """
    from kgents_cli.tools.records import list_invocations

    list_invocations(named_options(filters), most, as_json=as_json)


@command.command()
@click.argument("invocation")
@_JSON
def invocation(invocation: str, as_json: bool) -> None:
    """Show one call by its id: who asked, with which arguments (secrets masked), and how it ended.

    \b
    Examples:
      kgents tools invocation 0199c0de-0000-7000-8000-000000000000
    """
    from kgents_cli.tools.records import show_invocation

    show_invocation(invocation, as_json=as_json)


for _permission_command in PERMISSION_COMMANDS:
    command.add_command(_permission_command)
