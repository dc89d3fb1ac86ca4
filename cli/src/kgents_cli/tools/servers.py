"""MCP servers over the API: from what a command was given to bodies, and back to lines."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import click

from kgents_cli.client import ApiClient, agent_name, path_below
from kgents_cli.faults import ApiFault, BadInput, CliError, as_called
from kgents_cli.listing import organisations, show_list, with_organisations
from kgents_cli.secret_input import confirmed
from kgents_cli.tables import counted, day, show_table
from kgents_cli.terminal import harmless, progress
from kgents_cli.tools.server_health import health_lines
from kgents_cli.tools.wasm_setup import named_grants, named_limits, setup_lines, uploaded

Item = Mapping[str, Any]
PATH = "/mcp-servers"
_OF = "~"


def list_servers(organisation: str | None, *, as_json: bool) -> None:
    """What `kgents mcp list` prints."""
    show_list(
        PATH,
        {
            "name": agent_name,
            "id": lambda server: server["id"],
            "transport": lambda server: server["transport"],
            "refreshed": lambda server: day(server["refreshed_at"]),
            "reached by": _reached_by,
        },
        none_yet="No MCP servers yet. Register one with: kgents mcp add NAME --url URL",
        as_json=as_json,
        params=_of(organisation),
        of_organisations=True,
    )


def add_server(name: str, given: Mapping[str, Any], organisation: str | None, *, as_json: bool) -> None:
    """Register one; what doesn't fit is the server's to say."""
    body = {"name": name, **_reached_how(given)}
    asked = {"limits": named_limits(given), "grants": named_grants(given["grants"])}
    with ApiClient() as api, progress(f"{name}: asking what it offers"):
        if given["wasm"] is not None:
            module = uploaded(api, given["wasm"], _of(organisation))
            body["wasm"] = {"module": module, **{key: value for key, value in asked.items() if value}}
        made = api.call("POST", PATH, body=body, params=_of(organisation), timeout_s=120)
        tools = list(api.pages("/tools", {"server_id": made["id"]}))
    if as_json:
        click.echo(json.dumps(made))
        return
    click.echo(f"The server {name} is registered with {counted(len(tools), 'tool')}, id {made['id']}.")
    _warn(made["warnings"])
    of = "" if organisation is None else f"{organisation}~"
    if given["oauth"]:
        click.echo(as_called(f"Authorize it with: kgents mcp authorize {of}{name}"), err=True)
    asking = [f"{of}{tool['name']}" for tool in tools if tool["side_effect"] == "external"]
    if asking:
        click.echo(
            as_called(
                f"{_asking(len(asking), len(tools))} an approval at each call. If one has no effect outside: "
                f"kgents tools set {asking[0]} --side-effect read"
            ),
            err=True,
        )


def authorize_server(name: str, *, as_json: bool) -> None:
    """Print where a person agrees that a server is used."""
    with ApiClient() as api:
        begun = api.call("POST", path_below(PATH, find_server(api, name)["id"], "authorize"), body={}, timeout_s=120)
    if as_json:
        click.echo(json.dumps(begun))
        return
    click.echo(harmless(begun["authorization_url"]))
    click.echo(f"Open this in a browser until {day(begun['expires_at'])} UTC, and agree there.", err=True)


def inspect_server(name: str, *, as_json: bool) -> None:
    """What `kgents mcp inspect` prints: the server, its tools, and how it is doing where that is known."""
    with ApiClient() as api:
        server = find_server(api, name)
        tools = list(api.pages("/tools", {"server_id": server["id"]}))
        [named, *named_tools] = [server, *tools] if as_json else with_organisations(api, [server, *tools])
        health = _if_there_is(api, path_below(PATH, server["id"], "health"))
        is_wasm = server["transport"] == "wasm"
        wasm = _if_there_is(api, path_below(PATH, server["id"], "wasm")) if is_wasm else None
    if as_json:
        click.echo(json.dumps({**server, "tools": tools, "health": health, "wasm": wasm}))
        return
    # A module has no session: its own state is what there is to say.
    facts = {**health_lines(health or {}), **({} if wasm is None else setup_lines(wasm))}
    lines = [
        f"{agent_name(named)}  {server['id']}",
        f"reached by  {_reached_by(server)}",
        f"refreshed   {day(server['refreshed_at'])}",
        *([f"credential  {server['credential_ref']}"] if server["credential_ref"] else []),
        *(f"{label:11} {text}" for label, text in facts.items() if text),
    ]
    click.echo(harmless("\n".join(lines)))
    if tools:
        rows = [(agent_name(tool), tool["state"], tool["side_effect"], tool["description"]) for tool in named_tools]
        show_table(("tool", "state", "effect", "description"), rows)
    _warn(server["warnings"])


def refresh_server(name: str, *, as_json: bool) -> None:
    """Ask a server for its definitions again, and say what became of them."""
    with ApiClient() as api, progress(f"{name}: asking what it offers now"):
        found = api.call("POST", path_below(PATH, find_server(api, name)["id"], "refresh"), body={}, timeout_s=120)
    if as_json:
        click.echo(json.dumps(found))
        return
    show_comparison(found, found["server"]["warnings"])
    if found["changed"]:
        click.echo(
            as_called(f"What changed is off until you take it: kgents tools accept {found['changed'][0]}"), err=True
        )


def show_comparison(found: Item, warnings: Sequence[str]) -> None:
    """What became of each tool, and what could not be taken."""
    for state in ("added", "changed", "removed", "unchanged"):
        for tool in found[state]:
            click.echo(f"{state:9}  {harmless(tool)}")
    _warn(warnings)


def remove_server(name: str, *, yes: bool, as_json: bool) -> None:
    """Forget a server with its tools, once somebody has said yes."""
    with ApiClient() as api:
        server = find_server(api, name)
        question = f"Forget the server {name} with its tools?"
        if not yes and not confirmed(question, f"kgents mcp remove {name} --yes"):
            raise CliError("nothing was removed")
        api.call("DELETE", path_below(PATH, server["id"]))
    click.echo("null" if as_json else f"The server {name} is removed.")


def find_server(api: ApiClient, name: str) -> dict[str, Any]:
    """The server of this id, name or `organisation~name`.

    Raises:
        BadInput: there is none, or several of that name.
    """
    try:
        return dict(api.call("GET", path_below(PATH, str(UUID(name)))))
    except ValueError:
        organisation, _, rest = name.rpartition(_OF)
    found = [server for server in api.pages(PATH, _of(organisation or None)) if server["name"] == rest]
    if len(found) > 1:
        others = organisations(api)
        found = [server for server in found if server["owner_id"] not in others] or found
    if not found:
        raise BadInput(f"there is no MCP server named {name}", hint="see what there is with: kgents mcp list")
    if len(found) > 1:
        ids = ", ".join(server["id"] for server in found)
        raise BadInput(f"several servers are named {name}", hint=f"name it by its id, one of: {ids}")
    return found[0]


def _reached_how(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a body that say how a server is reached, as the options named them."""
    body: dict[str, Any] = {
        key: given[key] for key in ("url", "command", "credential_ref", "side_effect") if given[key] is not None
    }
    if given["args"]:
        body["args"] = list(given["args"])
    if given["headers"]:
        pairs = [header.partition("=") for header in given["headers"]]
        if not all(name and equals for name, equals, _ in pairs):
            raise BadInput("a header is written as NAME=VALUE", hint="for example: --header 'X-Api-Key=${token}'")
        body["headers"] = {name: value for name, _, value in pairs}
    if given["oauth"]:
        body["oauth"] = {}
    ways = {"wasm": "wasm", "command": "stdio"}
    body["transport"] = next((name for way, name in ways.items() if given[way] is not None), "streamable_http")
    return body


def _of(organisation: str | None) -> dict[str, str]:
    return {} if organisation is None else {"organisation": organisation}


def _reached_by(server: Item) -> str:
    if server["transport"] == "wasm":
        return "a WASM module"
    words: Sequence[Any] = (server["url"],) if server["url"] else (server["command"] or "", *server["args"])
    return " ".join(str(word) for word in words)


def _asking(asking: int, of: int) -> str:
    who = "Each of them" if asking == of > 1 else "It" if of == 1 else f"{asking} of them"
    return f"{who} {'asks' if asking in (1, of) else 'ask'} for"


def _warn(warnings: Sequence[str]) -> None:
    for warning in warnings:
        click.echo(f"warning: {harmless(warning)}", err=True)


def _if_there_is(api: ApiClient, path: str) -> dict[str, Any] | None:
    """An answer that not every server gives."""
    try:
        return dict(api.call("GET", path))
    except ApiFault as fault:
        if fault.status == 404:
            return None
        raise
