"""What tools there are, what each of them takes, and taking a changed definition."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from kgents_cli.client import ApiClient, agent_name, path_below
from kgents_cli.faults import BadInput, CliError, as_called
from kgents_cli.listing import show_list
from kgents_cli.secret_input import confirmed
from kgents_cli.tables import day
from kgents_cli.terminal import harmless, style

Item = Mapping[str, Any]
PATH = "/tools"
_NONE_YET = "No tools yet. Register a server with: kgents mcp add NAME --url URL, or see: kgents tools add --help"


def list_tools(params: Mapping[str, str], *, as_json: bool) -> None:
    """What `kgents tools list` and `search` print."""
    show_list(
        PATH,
        {
            "name": agent_name,
            "kind": lambda tool: tool.get("kind"),
            "state": lambda tool: tool["state"],
            "effect": lambda tool: tool["side_effect"],
            "description": lambda tool: tool["description"].partition("\n")[0],
        },
        none_yet="No tool is like that." if params else _NONE_YET,
        as_json=as_json,
        params=params,
        of_organisations=True,
    )


def show_tool(name: str, *, as_json: bool) -> None:
    """What `kgents tools show` prints."""
    with ApiClient() as api:
        tool = api.call("GET", path_below(PATH, name))
    if as_json:
        click.echo(json.dumps(tool))
        return
    lines = [
        f"{tool['name']}: {tool['state']}, side effect {tool['side_effect']}",
        *([tool["description"]] if tool["description"] else []),
        "",
        f"kind        {tool.get('kind', 'mcp')}",
        f"changed     {day(tool['updated_at']) or '-'}",
        f"definition  {tool['definition_hash']}",
        "arguments",
        json.dumps(tool["input_schema"], indent=2, ensure_ascii=False),
    ]
    click.echo(harmless("\n".join(lines)))
    if tool["pending"] is not None:
        click.echo(as_called(f"It has changed; see how, and take it, with: kgents tools accept {name}"), err=True)


def set_cost(name: str, amount: str, currency: str, *, as_json: bool) -> None:
    """Say what one call of a tool costs."""
    with ApiClient() as api:
        said = api.call("PUT", path_below(PATH, name, "cost"), body={"amount": amount, "currency": currency})
    cost = said["cost"]
    click.echo(json.dumps(said) if as_json else f"{name}: a call costs {cost['amount']} {cost['currency']}.")


def set_side_effect(name: str, side_effect: str, *, as_json: bool) -> None:
    """Say what a tool does outside."""
    with ApiClient() as api:
        tool = api.call("GET", path_below(PATH, name))
        if tool.get("kind") == "builtin":
            hint = f"who may call it is yours to say: kgents tools deny {name}"
            raise BadInput(f"{name} is part of the platform: what it does outside stays as it is", hint=hint)
        changed = api.call("PATCH", _below(name, tool), body={"side_effect": side_effect})
    click.echo(json.dumps(changed) if as_json else f"{name}: side effect {changed['side_effect']}.")


def accept(name: str, *, yes: bool, as_json: bool) -> None:
    """Show how a definition has changed, and take it once somebody has said yes."""
    with ApiClient() as api:
        tool = api.call("GET", path_below(PATH, name))
        pending = tool["pending"]
        if pending is None:
            raise CliError(f"{name} has no changed definition: it is {tool['state']}", exit_code=2)
        for line in _coloured(pending["diff"]):
            click.echo(line, err=True)
        if not yes and not confirmed(f"Accept this definition of {name}?", f"kgents tools accept {name} --yes"):
            raise CliError("nothing was accepted")
        body = {"definition_hash": pending["definition_hash"]}
        taken = api.call("POST", f"{_below(name, tool)}/accept", body=body)
    click.echo(json.dumps(taken) if as_json else f"{name} is accepted and {taken['state']}.")


def list_versions(name: str, *, as_json: bool) -> None:
    """What `kgents tools versions` prints: the definitions that were pinned, the newest first."""
    show_list(
        path_below(PATH, name, "versions"),
        {
            "version": lambda one: one["version"],
            "pinned": lambda one: day(one["pinned_at"]),
            "by": lambda one: one["pinned_by"],
            "definition": lambda one: one["definition_hash"][:12],
            "description": lambda one: one["description"].partition("\n")[0],
        },
        none_yet="No definition of it was pinned.",
        as_json=as_json,
    )


def _coloured(lines: Sequence[str]) -> Iterator[str]:
    """The lines in which two definitions differ."""
    colours = {"+": "green", "-": "red", "@": "cyan"}
    for line in lines:
        yield style(harmless(line), colours[line[0]], sys.stderr) if line[:1] in colours else harmless(line)


def _below(name: str, tool: Item) -> str:
    """Where a tool is changed: below its server, or at its own address where it has none."""
    if tool.get("server_id") is None:
        return path_below(PATH, name)
    return path_below(f"/mcp-servers/{tool['server_id']}/tools", tool["name"].partition(".")[2])
