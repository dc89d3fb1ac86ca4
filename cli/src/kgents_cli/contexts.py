"""Contexts of several agents over the API."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from kgents_cli.client import ApiClient, path_below
from kgents_cli.conversation import LONGEST_RUN_S, readable_message
from kgents_cli.faults import BadInput, CliError, as_called
from kgents_cli.listing import show_list
from kgents_cli.parameters import named_options
from kgents_cli.people import Named
from kgents_cli.secret_input import confirmed
from kgents_cli.tables import day, show_table
from kgents_cli.terminal import harmless, style

_PATH: Final = "/multi_agent/context"
_OBJECT: Final = 'write a JSON object, such as {"topic": "tea"}'


def list_contexts(*, as_json: bool) -> None:
    """What `kgents contexts list` prints."""
    show_list(
        _PATH,
        {
            "id": lambda one: one["id"],
            "name": lambda one: one["name"],
            "status": lambda one: one["status"],
            "agents": lambda one: ", ".join(agent["agent"] for agent in one["agents"] if agent["left_at"] is None),
            "messages": lambda one: one["messages"],
            "last": lambda one: day(one["last_activity"]),
        },
        none_yet='No contexts yet. Make one with: kgents contexts create "Tea" --agent AGENT --agent AGENT',
        as_json=as_json,
    )


def create_context(name: str, agents: Sequence[str], model: str, organisation: str | None, *, as_json: bool) -> None:
    """Make one."""
    body = {"name": name, "agents": [{"agent": agent} for agent in agents], "collaboration_model": model}
    with ApiClient() as api:
        made = api.call("POST", _PATH, body=body, params=named_options({"organisation": organisation}))
    if as_json:
        click.echo(json.dumps(made))
        return
    click.echo(made["id"])
    said = as_called(f'kgents contexts say {made["id"]} "Hello"')
    click.echo(f"The context {harmless(made['name'])} is made. Say something: {said}", err=True)


def show_context(context: str, *, as_json: bool) -> None:
    """What `kgents contexts show` prints."""
    with ApiClient() as api:
        found = api.call("GET", path_below(_PATH, context))
    if as_json:
        click.echo(json.dumps(found))
        return
    click.echo(f"{harmless(found['name'])}  {found['status']}, {found['collaboration_model']}")
    rows = [
        (one["agent"], "left" if one["left_at"] else "well" if one["healthy"] else "not ready", one["visibility"],
         day(one["joined_at"]), one["role"] or None)
        for one in found["agents"]
    ]  # fmt: skip
    show_table(("agent", "state", "sees", "since", "role"), rows)


def update_context(context: str, given: Mapping[str, Any]) -> None:
    """Change what is named."""
    names = {"name": "name", "model": "collaboration_model", "status": "status"}
    changes = {names[name]: value for name, value in named_options(given).items()}
    if not changes:
        raise BadInput("there is nothing to change", hint=as_called("kgents contexts update --help lists what can"))
    with ApiClient() as api:
        changed = api.call("PUT", path_below(_PATH, context), body=changes)
    click.echo(f"The context {harmless(changed['name'])} is changed: {changed['status']}.")


def delete_context(context: str, *, yes: bool) -> None:
    """Delete one, once somebody has said yes."""
    with ApiClient() as api:
        found = api.call("GET", path_below(_PATH, context))
        question = f"Delete the context {harmless(found['name'])} with its {found['messages']} messages?"
        if not yes and not confirmed(question, f"kgents contexts delete {context} --yes"):
            raise CliError("nothing was deleted")
        api.call("DELETE", path_below(_PATH, context))
    click.echo(f"The context {harmless(found['name'])} is deleted.")


def join_context(context: str, agent: str, role: str, *, only_addressed: bool) -> None:
    """Have an agent take part."""
    body = {"agent": agent, "role": role, "visibility": "addressed" if only_addressed else "shared"}
    with ApiClient() as api:
        api.call("POST", path_below(_PATH, context, "agents"), body=body)
    click.echo(f"{harmless(agent)} takes part from now on.")


def leave_context(context: str, agent: str) -> None:
    """Have an agent take part no longer."""
    with ApiClient() as api:
        api.call("DELETE", path_below(_PATH, context, "agents", agent))
    click.echo(f"{harmless(agent)} takes part no longer.")


def say_in_context(context: str, text: str, options: Mapping[str, Any], *, as_json: bool) -> None:
    """What `kgents contexts say` prints: each answer under its agent's name.

    Raises:
        CliError: nobody answered.
    """
    body = {"context_id": context, "text": readable_message(text), **named_options(options)}
    with ApiClient() as api:
        exchange = api.call("POST", "/multi_agent/message", body=body, timeout_s=LONGEST_RUN_S)
    if as_json:
        click.echo(json.dumps(exchange))
        return
    for turn in exchange["answers"]:
        if turn["text"] is not None:
            _show(turn["agent"], turn["text"])
        elif turn["status"] != "silent":
            why = (turn["error"] or {}).get("detail") or f"It is {turn['status']}."
            click.echo(f"{harmless(turn['agent'])} gave no answer: {harmless(str(why))}", err=True)
    if not any(turn["text"] is not None for turn in exchange["answers"]):
        raise CliError("nobody answered")


def show_history(context: str, agent: str | None, *, as_json: bool) -> None:
    """What `kgents contexts history` prints."""
    with ApiClient() as api:
        rows = list(api.pages(path_below(_PATH, context, "history"), named_options({"agent": agent})))
    if as_json:
        click.echo(json.dumps(rows))
        return
    named = Named()
    for row in rows:
        private = " (private)" if row["visible_to"] is not None else ""
        who = named(row["from_name"]) if row["kind"] == "person" else row["from_name"]
        _show(f"{who}{private}", row["text"])


def show_metrics(context: str, *, as_json: bool) -> None:
    """What `kgents contexts metrics` prints."""
    with ApiClient() as api:
        found = api.call("GET", path_below(_PATH, context, "metrics"))
    if as_json:
        click.echo(json.dumps(found))
        return
    tokens = found["prompt_tokens"] + found["completion_tokens"]
    click.echo(f"{found['messages']} messages, {tokens} tokens, cost {_money(found['cost'])}")
    rows = [
        (one["agent"], one["answered"], one["failed"], one["prompt_tokens"] + one["completion_tokens"],
         _money(one["cost"]), None if one["mean_ms"] is None else f"{one['mean_ms']:.0f} ms",
         None if one["p95_ms"] is None else f"{one['p95_ms']:.0f} ms")
        for one in found["agents"]
    ]  # fmt: skip
    show_table(("agent", "answered", "failed", "tokens", "cost", "mean", "p95"), rows)


def _money(cost: str | None) -> str:
    return "not known" if cost is None else f"{cost} USD"


def persist_state(context: str, file: Path) -> None:
    """Keep a file's JSON object with a context."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as fault:
        raise BadInput(f"{file} holds no JSON: {fault}", hint=_OBJECT) from fault
    if not isinstance(data, dict):
        raise BadInput(f"{file} holds no JSON object", hint=_OBJECT)
    with ApiClient() as api:
        kept = api.call("POST", path_below(_PATH, context, "persist"), body={"data": data})
    click.echo(f"Kept as version {kept['version']}.")


def show_state(context: str) -> None:
    """What `kgents contexts state` prints."""
    with ApiClient() as api:
        click.echo(json.dumps(api.call("GET", path_below(_PATH, context, "state"))["data"], indent=2))


def _show(name: str, text: str) -> None:
    click.echo(style(f"{harmless(name)}:", "dim", sys.stdout))
    click.echo(harmless(text))
