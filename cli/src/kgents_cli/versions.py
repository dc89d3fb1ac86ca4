"""The versions of an agent: listed, shown, compared, run again."""

import json
from typing import Any

import click

from kgents_cli.client import ApiClient, agent_path
from kgents_cli.differences import lines_of_changes
from kgents_cli.faults import BadInput, as_called
from kgents_cli.problems import fault_line
from kgents_cli.publishing import roll_back as roll_back_and_wait
from kgents_cli.tables import day, show_table
from kgents_cli.terminal import harmless

_LONGEST_DESCRIPTION = 60


def show_versions(agent: str, *, as_json: bool) -> None:
    """Print the versions, newest first."""
    with ApiClient() as api:
        items = list(api.pages(agent_path(agent, "versions"), {"limit": 200}))
        in_force = None if as_json else api.call("GET", agent_path(agent))["version"]
    if as_json:
        click.echo(json.dumps(items))
    elif not items:
        click.echo(as_called(f"No version yet. Make one with: kgents agents publish {agent}"), err=True)
    else:
        rows = [_row(item, in_force) for item in items]
        show_table(("version", "made", "content", "description"), rows)


def _row(item: dict[str, Any], in_force: int | None) -> tuple[str, ...]:
    number = f"{item['number']} in force" if item["number"] == in_force else str(item["number"])
    made = day(item["created_at"]) or ""
    description = item["spec"]["description"].partition("\n")[0][:_LONGEST_DESCRIPTION]
    return number, made, item["content_hash"].removeprefix("sha256:")[:12], description


def show_version(agent: str, number: int, *, as_json: bool) -> None:
    """Print one version."""
    with ApiClient() as api:
        found = api.call("GET", agent_path(agent, "versions", str(number)))
    click.echo(json.dumps(found) if as_json else harmless(json.dumps(found, indent=2, ensure_ascii=False)))


def show_difference(agent: str, old: int | None, new: int | None, *, as_json: bool) -> None:
    """Print what changes from version `old` (None: the one in force) to version `new` (None: the draft)."""
    params = {name: number for name, number in (("from", old), ("to", new)) if number is not None}
    with ApiClient() as api:
        found = api.call("GET", agent_path(agent, "diff"), params=params)
    if as_json:
        click.echo(json.dumps(found))
        return
    other = "the draft" if found["to_version"] is None else f"version {found['to_version']}"
    changes = found["changes"]
    if not changes:
        click.echo(f"{agent}: version {found['from_version']} and {other} are the same.")
        return
    many = "1 change" if len(changes) == 1 else f"{len(changes)} changes"
    click.echo(f"{agent}: version {found['from_version']} → {other}, {many}")
    for line in lines_of_changes(changes):
        click.echo(line)


def show_last_reload(agent: str, *, as_json: bool) -> None:
    """Print how the agent's last reload went."""
    with ApiClient() as api:
        found = api.call("GET", agent_path(agent, "reload"))
    if as_json:
        click.echo(json.dumps(found))
        return
    in_force = "no version is in force" if found["in_force"] is None else f"version {found['in_force']} is in force"
    if found["state"] == "never":
        click.echo(as_called(f"{agent} was never reloaded, {in_force}. Reload it on each save with: kgents dev FILE"))
        return
    words = {
        "reloaded": f"was reloaded as version {found['version']}",
        "unchanged": f"was saved, and version {found['version']} said the same",
        "refused": "was not reloaded: its file has faults",
    }[found["state"]]
    source = harmless(f" from {found['source']}") if found["source"] else ""
    click.echo(f"{agent} {words} ({day(found['at'])} UTC{source}); {in_force}.")
    for line in lines_of_changes(found["changes"]):
        click.echo(line)
    for fault in found["errors"]:
        click.echo(f"  {harmless(fault_line(fault, found['source']))}")


def roll_back(agent: str, number: int | None, timeout_s: float, *, as_json: bool) -> None:
    """Run an older version again (None: the one before that in force) and wait until it answers."""
    with ApiClient() as api:
        version = _one_before(api, agent) if number is None else number
        instance = roll_back_and_wait(api, agent, version, timeout_s)
    if as_json:
        click.echo(json.dumps(instance))
        return
    click.echo(f"{agent} version {version} is running again; the draft is as it was.")


def _one_before(api: ApiClient, agent: str) -> int:
    in_force = api.call("GET", agent_path(agent))["version"]
    if in_force is None or in_force == 1:
        state = "was never published" if in_force is None else "runs its first version"
        raise BadInput(f"{agent} {state}: there is none before", hint=f"what there is: kgents agents versions {agent}")
    return int(in_force) - 1
