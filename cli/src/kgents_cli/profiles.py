"""Profiles and attestations over the API: from what a command was given to bodies, and back to lines."""

import json
from collections.abc import Mapping
from typing import Any

import click

from kgents_cli.client import ApiClient, agent_name, path_below
from kgents_cli.faults import BadInput, CliError, as_called
from kgents_cli.listing import show_list
from kgents_cli.secret_input import confirmed
from kgents_cli.tables import day
from kgents_cli.terminal import harmless
from kgents_cli.wrappers import agent_id_of

Fields = Mapping[str, Any]
_PATH = "/agents/profiles"
_BODY = ("name", "description", "agent_id", "capabilities")


def list_profiles(*, as_json: bool) -> None:
    """What `kgents profiles list` prints."""
    show_list(
        _PATH,
        {
            "name": agent_name,
            "id": lambda one: one["id"],
            "capabilities": lambda one: ", ".join(one["capabilities"]),
            "description": lambda one: one["description"].partition("\n")[0],
        },
        none_yet="No profiles yet. Make one with: kgents profiles create NAME --agent AGENT",
        as_json=as_json,
    )


def show_profile(name: str, *, as_json: bool) -> None:
    """What `kgents profiles get` prints."""
    with ApiClient() as api:
        found = api.call("GET", path_below(_PATH, name))
    if as_json:
        click.echo(json.dumps(found))
        return
    agent = found["agent"]
    shown = "deleted" if agent is None else f"{agent['name']}, {agent['status']}, version {agent['version'] or '-'}"
    attested = set(found["attested"])
    lines = [f"{agent_name(found)}  {found['id']}", f"agent         {shown}"]
    lines += [f"capability    {one}{' (attested)' if one in attested else ''}" for one in found["capabilities"]]
    click.echo(harmless("\n".join([*lines, *([found["description"]] if found["description"] else [])])))


def create_profile(name: str, given: Fields, organisation: str | None, *, as_json: bool) -> None:
    """Make one."""
    params = {} if organisation is None else {"organisation": organisation}
    with ApiClient() as api:
        made = api.call("POST", _PATH, body={"name": name, **_fields(api, given, organisation)}, params=params)
    click.echo(json.dumps(made) if as_json else f"The profile {agent_name(made)} is made, id {made['id']}.")


def update_profile(name: str, given: Fields, *, as_json: bool) -> None:
    """Change what `given` names and leave the rest."""
    with ApiClient() as api:
        changes = _fields(api, given, name.rpartition("~")[0] or None)
        if not changes:
            raise BadInput("there is nothing to change", hint=as_called("kgents profiles update --help lists what can"))
        now = api.call("GET", path_below(_PATH, name))
        changed = api.call("PUT", path_below(_PATH, name), body={key: now[key] for key in _BODY} | changes)
    click.echo(json.dumps(changed) if as_json else f"The profile {agent_name(changed)} is changed.")


def delete_profile(name: str, *, yes: bool) -> None:
    """Delete one, once somebody has said yes."""
    with ApiClient() as api:
        question = f"Delete the profile {name}? This can't be undone"
        if not yes and not confirmed(question, f"kgents profiles delete {name} --yes"):
            raise CliError("nothing was deleted")
        api.call("DELETE", path_below(_PATH, name))
    click.echo(f"The profile {name} is deleted.")


def attest_profile(name: str, given: Fields, organisation: str | None, *, as_json: bool) -> None:
    """Sign a statement; the JWS alone goes to stdout."""
    body: dict[str, Any] = {
        "type": given["kind"],
        "statement": given["statement"],
        "capabilities": list(given["capabilities"]),
        "valid_days": given["days"],
    }
    if given["evidence"] is not None:
        body["evidence_url"] = given["evidence"]
    params = {} if organisation is None else {"organisation": organisation}
    with ApiClient() as api:
        made = api.call("POST", path_below(_PATH, name, "attest"), body=body, params=params)
    if as_json:
        click.echo(json.dumps(made))
        return
    click.echo(made["jws"])
    signer = harmless(f"{made['attester']['name']} ({made['attester']['kind']})")
    click.echo(f"Attestation {made['id']} of {signer}, until {day(made['expires_at'])}.", err=True)


def list_attestations(name: str, *, as_json: bool) -> None:
    """What `kgents profiles attestations` prints."""
    show_list(
        path_below(_PATH, name, "attestations"),
        {
            "id": lambda one: one["id"],
            "status": lambda one: one["status"],
            "type": lambda one: one["claims"]["type"],
            "by": lambda one: one["attester"]["name"],
            "version": lambda one: one["agent"]["version"],
            "until": lambda one: day(one["expires_at"]),
            "statement": lambda one: one["claims"]["statement"],
        },
        none_yet=f"Nobody vouches for it yet. Attest it with: kgents profiles attest {name} --help",
        as_json=as_json,
    )


def revoke_attestation(name: str, attestation: str, reason: str | None, *, as_json: bool) -> None:
    """End one."""
    body = {} if reason is None else {"reason": reason}
    if not attestation:
        raise BadInput("the attestation's id is empty", hint=as_called(f"kgents profiles attestations {name}"))
    path = path_below(_PATH, name, "attestations", attestation, "revoke")
    with ApiClient() as api:
        found = api.call("POST", path, body=body)
    click.echo(json.dumps(found) if as_json else f"Attestation {found['id']} is revoked.")


def _fields(api: ApiClient, given: Fields, organisation: str | None) -> dict[str, Any]:
    """The fields of a body, with the agent's name as its id."""
    body: dict[str, Any] = {}
    if given["description"] is not None:
        body["description"] = given["description"]
    if given["capabilities"]:
        body["capabilities"] = list(given["capabilities"])
    if given["agent"] is not None:
        body["agent_id"] = agent_id_of(api, given["agent"], organisation)
    return body
