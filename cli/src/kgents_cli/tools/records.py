"""What calls of tools were made, by whom and how they ended."""

import json
from collections.abc import Mapping
from itertools import islice
from typing import Any

import click

from kgents_cli.client import ApiClient, path_below
from kgents_cli.faults import ApiFault
from kgents_cli.tables import show_table
from kgents_cli.terminal import harmless

PATH = "/tools/invocations"


def list_invocations(params: Mapping[str, str], most: int, *, as_json: bool) -> None:
    """What `kgents tools invocations` prints: the newest `most`."""
    with ApiClient() as api:
        items = list(islice(api.pages(PATH, {"limit": min(most, 200), **params}), most))
        own = None if as_json or all(one["agent_name"] for one in items) else _own_id(api)
    if as_json:
        click.echo(json.dumps(items))
    elif not items:
        click.echo("No call of a tool is recorded that fits.", err=True)
    else:
        show_table(
            ("id", "at", "tool", "outcome", "ms", "for"),
            [
                (one["id"], one["started_at"][:19].replace("T", " "), one["tool"], one["outcome"],
                 None if one["latency_ms"] is None else round(one["latency_ms"]),
                 one["agent_name"] or ("you" if one["principal"] == own else one["principal"]))
                for one in items
            ],
        )  # fmt: skip


def _own_id(api: ApiClient) -> str | None:
    """Who the commands act as; None where it is no person."""
    try:
        return str(api.call("GET", "/users/me")["id"])
    except ApiFault as fault:
        if fault.status not in (403, 404):
            raise
        return None


def show_invocation(invocation: str, *, as_json: bool) -> None:
    """What `kgents tools invocation` prints."""
    with ApiClient() as api:
        found: Any = api.call("GET", path_below(PATH, invocation))
    click.echo(json.dumps(found) if as_json else harmless(json.dumps(found, indent=2, ensure_ascii=False)))
