"""Capabilities over the API."""

import json
import sys
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

import click

from kgents_cli.client import ApiClient, path_below
from kgents_cli.conversation import LONGEST_RUN_S, print_answer, readable_message
from kgents_cli.faults import as_called
from kgents_cli.listing import show_list
from kgents_cli.parameters import named_options
from kgents_cli.tables import day, show_table
from kgents_cli.terminal import harmless, style

_PATH: Final = "/capabilities"
_MOST_SHOWN: Final = 100


def list_capabilities(*, as_json: bool) -> None:
    """What `kgents capabilities list` prints."""
    show_list(
        _PATH,
        {
            "capability": lambda one: one["capability"],
            "healthy": lambda one: f"{one['healthy']} of {len(one['agents'])}",
            "agents": lambda one: ", ".join(_shown(agent) for agent in one["agents"]),
        },
        none_yet="None of your agents runs. Make one with: kgents create --config FILE",
        as_json=as_json,
    )


def send_to_capability(capability: str, text: str, conversation: str | None, to: str | None, *, as_json: bool) -> None:
    """What `kgents capabilities message` does: the answer to stdout, who gave it to stderr."""
    body = {"text": readable_message(text), **named_options({"conversation_id": conversation, "to": to})}
    path = path_below(_PATH, capability, "message")
    with ApiClient() as api:
        if as_json:
            click.echo(json.dumps(api.call("POST", path, body=body, timeout_s=LONGEST_RUN_S)))
            return
        with api.stream(path, body) as events:
            result = print_answer(events)
    agent, identifier = (harmless(str(result.get(name, ""))) for name in ("agent", "conversation_id"))
    click.echo(style(f"({agent} answered; go on with: --conversation {identifier})", "dim", sys.stderr), err=True)


def list_deliveries(filters: Mapping[str, str | None], *, as_json: bool) -> None:
    """What `kgents capabilities deliveries` prints: the newest ones."""
    with ApiClient() as api:
        found = list(islice(api.pages(f"{_PATH}/deliveries", named_options(filters)), _MOST_SHOWN))
    if as_json:
        click.echo(json.dumps(found))
    elif not found:
        none_yet = 'Nothing was sent to a capability yet. Send with: kgents capabilities message CAPABILITY "Hello"'
        click.echo(as_called(none_yet), err=True)
    else:
        head = ("at", "capability", "from", "agent", "status", "took", "why")
        show_table(head, [_delivery(row) for row in found])


def _delivery(row: Mapping[str, Any]) -> tuple[object, ...]:
    what, times = row["error"] or row["status"], row.get("times", 1)
    what = what if times == 1 else f"{what}, {times} times"
    took = None if row["latency_ms"] is None else f"{row['latency_ms']:.0f} ms"
    return (
        day(row["created_at"]), row["capability"], row["from_agent_id"], row["agent"], what,
        took, row["why"] or None,
    )  # fmt: skip


def _shown(agent: Mapping[str, Any]) -> str:
    if not agent["healthy"]:
        return f"{agent['agent']} (not ready)"
    return f"{agent['agent']} ({agent['active_runs']} runs)" if agent["active_runs"] else str(agent["agent"])
