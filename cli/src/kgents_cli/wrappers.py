"""Wrappers over the API: from what a command was given to bodies, and back to lines."""

import json
from collections.abc import Mapping
from typing import Any

import click

from kgents_cli.client import ApiClient, agent_name, agent_path, path_below
from kgents_cli.faults import BadInput, CliError, as_called
from kgents_cli.kinds import parsed_file
from kgents_cli.listing import show_list
from kgents_cli.publishing import shown_wait
from kgents_cli.secret_input import confirmed
from kgents_cli.tables import day
from kgents_cli.terminal import harmless

Fields = Mapping[str, Any]
_PATH = "/agents/wrappers"
_BODY = ("name", "description", "version", "supported_providers", "agent_id", "configuration")


def list_wrappers(*, as_json: bool) -> None:
    """What `kgents wrappers list` prints."""
    show_list(
        _PATH,
        {
            "name": agent_name,
            "version": lambda one: one["version"],
            "deployed": lambda one: one["deployed_version"],
            "at": lambda one: day(one["deployed_at"]),
            "providers": lambda one: ", ".join(one["supported_providers"]) or "any",
            "description": lambda one: one["description"].partition("\n")[0],
        },
        none_yet="No wrappers yet. Make one with: kgents wrappers create NAME --agent AGENT",
        as_json=as_json,
    )


def show_wrapper(name: str, *, as_json: bool) -> None:
    """What `kgents wrappers get` prints."""
    with ApiClient() as api:
        found = api.call("GET", path_below(_PATH, name))
    click.echo(json.dumps(found) if as_json else harmless(json.dumps(found, indent=2, ensure_ascii=False)))


def create_wrapper(name: str, given: Fields, organisation: str | None, *, as_json: bool) -> None:
    """Make one; what is missing in `given` is the server's to say."""
    params = {} if organisation is None else {"organisation": organisation}
    with ApiClient() as api:
        made = api.call("POST", _PATH, body={"name": name, **_fields(api, given, organisation)}, params=params)
    _done(made, "made", as_json)


def update_wrapper(name: str, given: Fields, *, as_json: bool) -> None:
    """Change what `given` names and leave the rest."""
    organisation = name.rpartition("~")[0] or None
    with ApiClient() as api:
        changes = _fields(api, given, organisation)
        if not changes:
            raise BadInput("there is nothing to change", hint=as_called("kgents wrappers update --help lists what can"))
        now = api.call("GET", path_below(_PATH, name))
        changed = api.call("PUT", path_below(_PATH, name), body={key: now[key] for key in _BODY} | changes)
    _done(changed, "changed", as_json)


def delete_wrapper(name: str, *, yes: bool) -> None:
    """Delete one, once somebody has said yes."""
    with ApiClient() as api:
        question = f"Delete the wrapper {name} and the agent that it was deployed as? This can't be undone"
        if not yes and not confirmed(question, f"kgents wrappers delete {name} --yes"):
            raise CliError("nothing was deleted")
        api.call("DELETE", path_below(_PATH, name))
    click.echo(f"The wrapper {name} is deleted.")


def deploy_wrapper(name: str, timeout_s: float, *, as_json: bool) -> None:
    """Publish it and wait until its agent answers."""
    with ApiClient() as api:
        deployed = api.call("POST", path_below(_PATH, name, "deploy"), body={})
        agent = api.call("GET", agent_path(deployed["deployed_agent_id"]))
        instance = shown_wait(api, agent_name(agent), int(agent["version"]), timeout_s)
    if as_json:
        click.echo(json.dumps({**deployed, "instance": instance}))
        return
    called = agent_name(agent)
    click.echo(f"{called} {deployed['deployed_version']} is running, as version {agent['version']} of its agent.")
    click.echo(as_called(f'Talk to it:  kgents message {called} "Hello"'))


def show_status(name: str, *, as_json: bool) -> None:
    """What `kgents wrappers status` prints."""
    with ApiClient() as api:
        found = api.call("GET", path_below(_PATH, name, "status"))
    if as_json:
        click.echo(json.dumps(found))
        return
    click.echo(f"{name}: {found['status'].replace('_', ' ')}")
    if found["deployed_at"] is not None:
        changed = ", changed since" if found["changed_since"] else ""
        click.echo(f"deployed   {found['deployed_version']} at {day(found['deployed_at'])}{changed}")
    if found["agent"] is not None:
        click.echo(
            f"agent      {found['agent']['name']} version {found['agent']['version']}, {found['agent']['status']}"
        )
        click.echo(f"instances  {found['ready']} of {found['instances']} ready")
    if found["last_error"] is not None:
        click.echo(harmless(f"last error {found['last_error']}"))


def _fields(api: ApiClient, given: Fields, organisation: str | None) -> dict[str, Any]:
    """The fields of a body: a file read, and the agent's name as its id."""
    body: dict[str, Any] = {key: given[key] for key in ("description", "version") if given[key] is not None}
    if given["providers"]:
        body["supported_providers"] = list(given["providers"])
    if given["config"] is not None:
        body["configuration"] = parsed_file(given["config"])
    if given["agent"] is not None:
        body["agent_id"] = agent_id_of(api, given["agent"], organisation)
    return body


def agent_id_of(api: ApiClient, agent: str, organisation: str | None) -> str:
    """The id behind an agent's name or id; a name alone is one of the same owner's."""
    whose = agent if organisation is None or "~" in agent else f"{organisation}~{agent}"
    return str(api.call("GET", agent_path(whose))["id"])


def _done(wrapper: Fields, what: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(wrapper))
        return
    name = agent_name(wrapper)
    click.echo(as_called(f"The wrapper {name} is {what}; deploy it with: kgents wrappers deploy {name}"))
