"""What is done with MCP servers that are WASM modules: changed, stopped and started, and what their calls used."""

import json
from collections.abc import Mapping
from typing import Any

import click

from kgents_cli.client import ApiClient, path_below
from kgents_cli.faults import ApiFault, as_called
from kgents_cli.listing import organisations
from kgents_cli.terminal import harmless, progress
from kgents_cli.tools.servers import PATH, find_server, show_comparison
from kgents_cli.tools.wasm_setup import (
    named_grants,
    named_limits,
    setup_lines,
    told_grants,
    told_limits,
    uploaded,
    usage_lines,
)

Item = Mapping[str, Any]
_TOLD = {
    "stop": "is stopped: it takes no calls.",
    "start": "is started: it takes calls.",
    "restart": "is restarted: its code is loaded anew at the next call.",
}


def update_server(name: str, given: Item, *, as_json: bool) -> None:
    """Run another module, or the same within other limits or grants; what isn't named stays as it is."""
    grants = named_grants(given["grants"])
    with ApiClient() as api, progress(f"{name}: asking what it offers now"):
        server = find_server(api, name)
        path = path_below(PATH, server["id"], "wasm")
        before = api.call("GET", path)
        body = {
            "module": before["module"]["sha256"],
            "limits": {**before["limits"], **named_limits(given)},
            "grants": grants if grants or given["no_grants"] else before["grants"],
        }
        if given["wasm"] is not None:
            body["module"] = uploaded(api, given["wasm"], _of_owner(api, server["owner_id"]))
        found = api.call("PUT", path, body=body, timeout_s=120)
        slug = organisations(api).get(server["owner_id"]) if found["changed"] and not as_json else None
    if as_json:
        click.echo(json.dumps(found))
        return
    click.echo(f"The server {name} is updated, from the next call on.")
    _show_changes(before, found["server"])
    show_comparison(found, found["warnings"])
    if found["changed"]:
        hint = f"kgents tools versions {f'{slug}~' if slug else ''}{found['changed'][0]}"
        click.echo(as_called(f"What changed is accepted with it, and in force. How it was: {hint}"), err=True)
    if found["server"]["state"] == "stopped":
        click.echo(as_called(f"It is stopped, as before. It takes calls after: kgents mcp start {name}"), err=True)


def tell_server(name: str, what: str, *, as_json: bool) -> None:
    """Stop a server, start it, or load its code anew."""
    with ApiClient() as api, progress(f"{name}: waiting for the calls that are under way"):
        told = api.call("POST", path_below(PATH, find_server(api, name)["id"], what), timeout_s=120)
    click.echo(json.dumps(told) if as_json else f"The server {name} {_TOLD[what]}")


def show_usage(name: str, *, as_json: bool) -> None:
    """What `kgents mcp usage` prints."""
    with ApiClient() as api:
        server = find_server(api, name)
        wasm = api.call("GET", path_below(PATH, server["id"], "wasm"))
    if as_json:
        click.echo(json.dumps(wasm))
        return
    lines = {**setup_lines(wasm), **usage_lines(wasm["usage"])}
    click.echo(harmless("\n".join(f"{label:11} {text}" for label, text in lines.items() if text)))
    every = f"kgents tools invocations --tool '{server['name']}.*'"
    click.echo(
        as_called(f"Counted by the process that answered, since it started. Every recorded call: {every}"), err=True
    )


def _show_changes(before: Item, now: Item) -> None:
    facts = (
        ("module", before["module"]["sha256"][:12], now["module"]["sha256"][:12]),
        ("limits", told_limits(before["limits"]), told_limits(now["limits"])),
        ("granted", told_grants(before["grants"]), told_grants(now["grants"])),
    )
    for label, was, is_now in facts:
        if was != is_now:
            click.echo(harmless(f"{label:9}  {was} → {is_now}"))


def _of_owner(api: ApiClient, owner_id: str) -> dict[str, str]:
    """For whom a module is uploaded: for the server's owner, the caller or one of their organisations."""
    whose = {"organisation": owner_id}
    try:
        api.call("GET", f"{PATH}/modules", params={**whose, "limit": 1})
    except ApiFault as fault:
        if fault.code != "no_such_organisation":
            raise
        return {}
    return whose
