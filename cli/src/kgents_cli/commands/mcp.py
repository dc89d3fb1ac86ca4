"""`kgents mcp add|authorize|list|inspect|refresh|remove|catalogue|log`, and those of WASM servers."""

from typing import Any

import click

from kgents_cli.commands.wasm_servers import COMMANDS as WASM_COMMANDS
from kgents_cli.commands.wasm_servers import limits_and_grants
from kgents_cli.parameters import FilePath, Slug

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def command() -> None:
    """Register, list, inspect, refresh and remove MCP servers, whose tools agents may call.

    A server's definitions are pinned when it is registered: one that changes later is off until you accept it.

    \b
    Examples:
      kgents mcp add weather --url https://mcp.example.com/mcp
      kgents mcp inspect weather
    """


@command.command()
@click.argument("name")
@click.argument("args", nargs=-1)
@click.option("--url", metavar="URL", help="Where it answers, over streamable HTTP.")
@click.option("--command", metavar="ENTRY", help="An entry of the operator's list of commands; ARGS go to it.")
@click.option("--credential", "credential_ref", metavar="REF", help="What is sent to it as a bearer (cred_…).")
@click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="NAME=VALUE",
    help="What each request has; ${field} is the credential's.",
)
@click.option("--oauth", is_flag=True, help="A person authorizes it in a browser: see `kgents mcp authorize`.")
@click.option(
    "--wasm", metavar="FILE", type=FilePath(), help="A WebAssembly module that is the server; it is uploaded."
)
@limits_and_grants
@click.option(
    "--side-effect",
    type=click.Choice(("none", "read", "write", "external")),
    help="What the tools do that it offers now.  [default: external, which needs an approval for each call]",
)
@click.option("--organisation", metavar="SLUG", type=Slug(), help="For this organisation, rather than for yourself.")
@_JSON
def add(name: str, organisation: str | None, as_json: bool, **given: Any) -> None:
    """Register an MCP server as NAME and list what it offers. Its tools are called `NAME.<tool>`.

    It is reached at an address, is a command that the operator allows, or is a WebAssembly module.

    \b
    Examples:
      kgents mcp add weather --url https://mcp.example.com/mcp --credential cred_0199c0de00007000
      kgents mcp add time --command time --side-effect none
      kgents mcp add shared --command filesystem -- /srv/shared
      kgents mcp add counter --wasm counter.wasm --memory-mb 16 --grant clock
    """
    from kgents_cli.tools.servers import add_server

    if sum(given[way] is not None for way in ("url", "command", "wasm")) != 1:
        raise click.UsageError("name one of --url, --command and --wasm")
    if given["wasm"] is None and any(given[name] for name in ("fuel", "memory_mb", "timeout_ms", "grants")):
        raise click.UsageError("--fuel, --memory-mb, --timeout-ms and --grant go with --wasm")
    add_server(name, given, organisation, as_json=as_json)


@command.command()
@click.argument("name")
@_JSON
def authorize(name: str, as_json: bool) -> None:
    """Begin to authorize the server NAME by OAuth: prints the address to open in a browser within ten minutes.

    Whoever opens it and agrees gives the server's tools the rights of their own account there.

    \b
    Examples:
      kgents mcp authorize tracker
    """
    from kgents_cli.tools.servers import authorize_server

    authorize_server(name, as_json=as_json)


@command.command(name="list")
@click.option("--organisation", metavar="SLUG", type=Slug(), help="Of this organisation alone.")
@_JSON
def list_servers(organisation: str | None, as_json: bool) -> None:
    """List your MCP servers, and those of your organisations.

    \b
    Examples:
      kgents mcp list
      kgents mcp list --json
    """
    from kgents_cli.tools.servers import list_servers as run

    run(organisation, as_json=as_json)


@command.command()
@click.argument("name")
@_JSON
def inspect(name: str, as_json: bool) -> None:
    """Show the server NAME (or its id), how it is reached, and its tools.

    \b
    Examples:
      kgents mcp inspect weather
    """
    from kgents_cli.tools.servers import inspect_server

    inspect_server(name, as_json=as_json)


@command.command()
@click.argument("name")
@_JSON
def refresh(name: str, as_json: bool) -> None:
    """Ask the server NAME for its definitions again; what has changed is off until you accept it.

    \b
    Examples:
      kgents mcp refresh weather
    """
    from kgents_cli.tools.servers import refresh_server

    refresh_server(name, as_json=as_json)


@command.command()
@click.argument("name")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@_JSON
def remove(name: str, yes: bool, as_json: bool) -> None:
    """Forget the server NAME with its tools.

    \b
    Examples:
      kgents mcp remove weather --yes
    """
    from kgents_cli.tools.servers import remove_server

    remove_server(name, yes=yes, as_json=as_json)


@command.command()
@click.argument("name", required=False)
@click.option("--installed", metavar="DIR", default="/opt/mcp-servers", help="Where servers are installed.")
@click.option("--data", metavar="DIR", default="/srv/mcp-data", help="The folder that servers work in.")
@click.option("--node", metavar="FILE", default="/usr/bin/node", help="Node.js, for servers from npm.")
@_JSON
def catalogue(name: str | None, installed: str, data: str, node: str, as_json: bool) -> None:
    """Show MCP servers of others that are known to work, or how to install, allow and register NAME.

    They run as processes beside the platform, shut in; an operator allows each by an entry of TOOLS_STDIO_ALLOWED.
    With --json and a NAME that entry alone is printed.

    \b
    Examples:
      kgents mcp catalogue
      kgents mcp catalogue fetch
      kgents mcp catalogue filesystem --data /srv/shared --json
    """
    from pathlib import Path

    from kgents_cli.tools.mcp_catalogue import Folders, show_known_server, show_known_servers

    if name is None:
        show_known_servers(as_json=as_json)
        return
    show_known_server(name, Folders(Path(installed), Path(node), Path(data)), as_json=as_json)


@command.command()
@click.argument("name")
@_JSON
def log(name: str, as_json: bool) -> None:
    """Show what the server NAME, a process beside the platform, wrote, and how it goes.

    What it wrote to its standard error goes to standard output; what shuts it in, its limits, restarts and traffic go
    to standard error.

    \b
    Examples:
      kgents mcp log fetch
      kgents mcp log fetch --json
    """
    from kgents_cli.tools.server_log import show_process

    show_process(name, as_json=as_json)


for _wasm_command in WASM_COMMANDS:
    command.add_command(_wasm_command)
