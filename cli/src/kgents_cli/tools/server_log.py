"""The process of a stdio server, as `kgents mcp log` prints it."""

import json
from collections.abc import Mapping
from typing import Any

import click

from kgents_cli.client import ApiClient, path_below
from kgents_cli.faults import BadInput, as_called
from kgents_cli.tables import counted, day
from kgents_cli.terminal import harmless
from kgents_cli.tools.servers import PATH, find_server


def show_process(name: str, *, as_json: bool) -> None:
    """How the server's process goes, and the latest that it wrote."""
    with ApiClient() as api:
        server = find_server(api, name)
        shown: dict[str, Any] | None = api.call("GET", path_below(PATH, server["id"], "process"))["process"]
    if shown is None:
        raise BadInput(
            f"{name} is no process of the platform's: it keeps its log itself.",
            hint=as_called(f"how it is doing: kgents mcp inspect {name}"),
        )
    if as_json:
        click.echo(json.dumps(shown))
        return
    facts = {
        "process": _state(shown),
        "shut in by": shown["protection"],
        "network": ", ".join([shown["network"], *shown["hosts"]]),
        "limits": _limits(shown["limits"]),
        "proxy": _proxy(shown["proxy"]),
    }
    lines = [f"{label:11} {text}" for label, text in facts.items() if text]
    click.echo(harmless("\n".join(lines)), err=True)
    for line in shown["log"]:
        click.echo(harmless(f"{line['at'][:19].replace('T', ' ')}  {line['text']}"))


def _state(shown: Mapping[str, Any]) -> str:
    if shown["starts"] == 0:
        return "not started yet by the platform process that answered"
    state = f"runs since {day(shown['started_at'])}" if shown["running"] else "is not running"
    ended = f"; the last one: {shown['last_end']}" if shown["last_end"] else ""
    return f"{state}, started {counted(shown['starts'], 'time')}{ended}"


def _limits(limits: Mapping[str, Any]) -> str:
    held = "" if limits["held"] else "; this machine has no control groups to hold them for all processes together"
    processors = "1 processor" if limits["cpus"] == 1 else f"{limits['cpus']:g} processors"
    return f"{limits['memory_mb']} MB, {limits['processes']} processes, {processors}{held}"


def _proxy(proxy: Mapping[str, Any] | None) -> str:
    if proxy is None:
        return ""
    last = f" (the last: {proxy['last_refusal']})" if proxy["last_refusal"] else ""
    made = counted(proxy["connections"], "connection")
    return f"{made}, {proxy['bytes_sent']} bytes out, {proxy['bytes_received']} in; {proxy['refused']} refused{last}"
