"""`kgents mcp update|usage|stop|start|restart`: of servers that are WASM modules."""

from collections.abc import Callable
from typing import Any

import click

from kgents_cli.parameters import FilePath

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def limits_and_grants(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say what calls of a module may use and get."""
    for option in (
        click.option(
            "--grant",
            "grants",
            multiple=True,
            metavar="WHAT",
            help="What a component gets: clock, random or env:NAME=VALUE, and nothing else; repeat it.",
        ),
        click.option("--timeout-ms", type=click.IntRange(min=1), help="How long it may take."),
        click.option("--memory-mb", type=click.IntRange(min=1), help="What memory it may use."),
        click.option("--fuel", type=click.IntRange(min=1), help="What one call of that module may execute."),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("name")
@click.option("--wasm", metavar="FILE", type=FilePath(), help="The module that it runs from now on; it is uploaded.")
@limits_and_grants
@click.option("--no-grants", is_flag=True, help="Nothing is granted from now on.")
@_JSON
def update(name: str, as_json: bool, **given: Any) -> None:
    """Give the WASM server NAME another module, other limits or other grants, from the next call on.

    What you don't name stays as it is; --grant names all that is granted then. What another module offers is accepted
    by that, as it is now: the answer says which tools changed.

    \b
    Examples:
      kgents mcp update counter --wasm counter.wasm
      kgents mcp update counter --memory-mb 16 --timeout-ms 2000
      kgents mcp update counter --wasm counter.wasm --grant clock --grant env:REGION=north
    """
    from kgents_cli.tools.wasm_servers import update_server

    if given["grants"] and given["no_grants"]:
        raise click.UsageError("--grant and --no-grants exclude each other")
    if not any(value not in (None, (), False) for value in given.values()):
        raise click.UsageError("name --wasm, a limit, --grant or --no-grants")
    update_server(name, given, as_json=as_json)


@click.command()
@click.argument("name")
@_JSON
def usage(name: str, as_json: bool) -> None:
    """Show what the WASM server NAME runs, within what, and what its calls used.

    \b
    Examples:
      kgents mcp usage counter
      kgents mcp usage counter --json
    """
    from kgents_cli.tools.wasm_servers import show_usage

    show_usage(name, as_json=as_json)


@click.command()
@click.argument("name")
@_JSON
def stop(name: str, as_json: bool) -> None:
    """Have the WASM server NAME take no more calls; those under way end first.

    \b
    Examples:
      kgents mcp stop counter
    """
    from kgents_cli.tools.wasm_servers import tell_server

    tell_server(name, "stop", as_json=as_json)


@click.command()
@click.argument("name")
@_JSON
def start(name: str, as_json: bool) -> None:
    """Have the WASM server NAME take calls again.

    \b
    Examples:
      kgents mcp start counter
    """
    from kgents_cli.tools.wasm_servers import tell_server

    tell_server(name, "start", as_json=as_json)


@click.command()
@click.argument("name")
@_JSON
def restart(name: str, as_json: bool) -> None:
    """Load the code of the WASM server NAME anew, and have it take calls.

    \b
    Examples:
      kgents mcp restart counter
    """
    from kgents_cli.tools.wasm_servers import tell_server

    tell_server(name, "restart", as_json=as_json)


COMMANDS = (update, usage, stop, start, restart)
