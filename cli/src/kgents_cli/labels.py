"""The labels of an agent's versions: shown, set, taken away."""

import json
from typing import Any

import click

from kgents_cli.client import ApiClient, agent_path
from kgents_cli.faults import BadInput, as_called
from kgents_cli.publishing import shown_wait
from kgents_cli.tables import show_table


def show_labels(agent: str, *, as_json: bool) -> None:
    """Print which versions have a label."""
    with ApiClient() as api:
        items = list(api.pages(agent_path(agent, "labels")))
    if as_json:
        click.echo(json.dumps(items))
    elif not items:
        hint = f"No version has a label: the one in force answers. Set one with: kgents agents label {agent} stable 1"
        click.echo(as_called(hint), err=True)
    else:
        rows = [(item["label"], str(item["version"]), f"{item['share']} %") for item in items]
        show_table(("label", "version", "new conversations"), rows)


def put_label(agent: str, label: str, version: int, share: int | None, timeout_s: float, *, as_json: bool) -> None:
    """Give a version the label and wait until it answers."""
    if share is not None and label == "stable":
        raise BadInput("--share is the canary's: stable has the rest", hint="leave it out")
    body = {"version": version} | ({} if share is None else {"share": share})
    with ApiClient() as api:
        found = api.call("PUT", agent_path(agent, "labels", label), body=body)
        stopped = api.call("GET", agent_path(agent))["status"] == "stopped"
        if not stopped:
            shown_wait(api, agent, version, timeout_s, label)
    click.echo(json.dumps(found) if as_json else _sentence(agent, found, stopped=stopped))


def remove_label(agent: str, label: str) -> None:
    """Take the label away."""
    with ApiClient() as api:
        api.call("DELETE", agent_path(agent, "labels", label))
    click.echo(f"{agent}: no version is labelled {label} any more.")


def _sentence(agent: str, label: dict[str, Any], *, stopped: bool) -> str:
    if stopped:
        return as_called(
            f"{agent}: version {label['version']} is labelled {label['label']}; the agent is stopped, "
            f"start it with: kgents agents publish {agent}"
        )
    if label["label"] == "stable":
        return f"{agent}: version {label['version']} is stable, and answers who asks for no version."
    share = f"{label['share']} % of new conversations begin with it" if label["share"] else "it has no share yet"
    return as_called(
        f"{agent}: version {label['version']} is the canary; {share}. "
        f'Talk to it:  kgents message {agent}@canary "Hello"'
    )
