"""Ghosts, models, shells, bots and teams over the API: from what a command was given to bodies, and back to lines."""

import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import click

from kgents_cli.client import ApiClient, agent_name, path_below
from kgents_cli.definition_files import read_definition
from kgents_cli.faults import BadInput, CliError, as_called
from kgents_cli.listing import show_list
from kgents_cli.publishing import publish
from kgents_cli.secret_input import confirmed
from kgents_cli.tables import day
from kgents_cli.terminal import harmless

Fields = Mapping[str, Any]
_OF = "~"
# What a body of each kind may hold; the rest of an answer is the server's own.
_BODY = {
    "ghost": ("name", "description", "system_prompt"),
    "model": ("name", "provider", "model_name", "temperature", "max_tokens", "api_key_ref"),
    "shell": ("name", "type", "config"),
    "bot": ("name", "ghost_id", "model_id", "shell_id"),
    "team": ("name", "mode", "members"),
}
_COLUMNS: Mapping[str, Mapping[str, Callable[[Fields], object]]] = {
    "ghost": {"description": lambda row: row["description"].partition("\n")[0]},
    "model": {"provider": lambda row: row["provider"], "model": lambda row: row["model_name"]},
    "shell": {"type": lambda row: row["type"]},
    "bot": {},
    "team": {"mode": lambda row: row["mode"], "members": lambda row: len(row["members"])},
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the five, as paths and sentences say it."""

    name: str

    @property
    def path(self) -> str:
        """Where its things are, below `/api/v1`."""
        return f"/kinds/{self.name}s"

    def at(self, reference: str, *below: str) -> str:
        """Where one thing is."""
        return path_below(self.path, reference, *below)


def list_things(kind: Kind, organisation: str | None, as_json: bool) -> None:
    """What `kgents kinds ghosts list` prints."""
    show_list(
        kind.path,
        {
            "name": agent_name,
            "id": lambda row: row["id"],
            "changed": lambda row: day(row["updated_at"]),
            **_COLUMNS[kind.name],
        },
        none_yet=f"No {kind.name}s yet. Make one with: kgents kinds {kind.name}s create NAME",
        as_json=as_json,
        params={} if organisation is None else {"organisation": organisation},
    )


def show_thing(kind: Kind, reference: str, as_json: bool) -> None:
    """What `kgents kinds ghosts get` prints: a line for each field, texts of several lines below their names."""
    with ApiClient() as api:
        found = api.call("GET", kind.at(reference))
    if as_json:
        click.echo(json.dumps(found))
        return
    for name, value in _rows(kind, found):
        text = harmless(str(value))
        click.echo(f"{name}:\n{text}" if "\n" in text else f"{name:<15}{text}".rstrip())


def create_thing(kind: Kind, name: str, given: Fields, organisation: str | None, as_json: bool) -> None:
    """Make one; what else is missing in `given` is the server's to say."""
    if kind.name == "team" and not given.get("bots"):
        raise BadInput("a team needs a bot", hint=f"kgents kinds teams create {name} --bot BOT --bot BOT")
    with ApiClient() as api:
        body = {"name": name, **_body(api, kind, given, organisation)}
        params = {} if organisation is None else {"organisation": organisation}
        made = api.call("POST", kind.path, body=body, params=params)
    _done(kind, made, "made", as_json)


def update_thing(kind: Kind, reference: str, given: Fields, as_json: bool) -> None:
    """Change what `given` names and leave the rest."""
    if not given:
        raise BadInput("there is nothing to change", hint=f"kgents kinds {kind.name}s update --help lists what can be")
    organisation, of, _ = reference.rpartition(_OF)
    with ApiClient() as api:
        now = api.call("GET", kind.at(reference))
        changes = _body(api, kind, given, organisation if of else None)
        kept = {name: now[name] for name in _BODY[kind.name]}
        if kind.name == "team":
            kept["members"] = [{name: one[name] for name in ("bot_id", "role")} for one in now["members"]]
        if changes.get("type", now.get("type")) != now.get("type"):
            # Another type of shell is set in another way.
            del kept["config"]
        changed = api.call("PUT", kind.at(reference), body=kept | changes)
    _done(kind, changed, "changed", as_json)


def delete_thing(kind: Kind, reference: str, yes: bool) -> None:
    """Delete one, once somebody has said yes."""
    command = f"kgents kinds {kind.name}s delete {reference} --yes"
    with ApiClient() as api:
        if not yes and not confirmed(f"Delete the {kind.name} {reference}? This can't be undone", command):
            raise CliError("nothing was deleted")
        api.call("DELETE", kind.at(reference))
    click.echo(f"The {kind.name} {reference} is deleted.")


def publish_thing(kind: Kind, reference: str, timeout_s: float, as_json: bool) -> None:
    """Publish a bot or a team as the agent of its name and wait until that answers."""
    with ApiClient() as api:
        name = agent_name(api.call("GET", kind.at(reference)))
        instance = publish(api, name, timeout_s, path=kind.at(reference, "publish"), warns=True)
    if as_json:
        click.echo(json.dumps({"agent": name, **instance}))
        return
    click.echo(f"{name} version {instance['version']} is running.")
    click.echo(as_called(f'Talk to it:  kgents message {name} "Hello"'))


def import_bot(config: Path, organisation: str | None, as_json: bool) -> None:
    """Take the definition in a TOML file apart into a bot and its parts."""
    source, content = read_definition(config, "name a TOML or JSON file")
    params = {} if organisation is None else {"organisation": organisation}
    with ApiClient() as api:
        made = api.call(
            "POST", "/kinds/bots/import", params=params, content=content, content_type="application/toml", source=source
        )
    _done(Kind("bot"), made, "made", as_json)
    if not as_json:
        click.echo(f"Its ghost, model and shell are named {agent_name(made['ghost'])} too.")


def _body(api: ApiClient, kind: Kind, given: Fields, organisation: str | None) -> dict[str, Any]:
    """The fields of a body: files read, and names of parts as their ids."""
    body = dict(given)
    if "prompt_file" in body:
        body["system_prompt"] = _text(body.pop("prompt_file"))
    if "config" in body:
        body["config"] = parsed_file(body["config"])
    for part in ("ghost", "model", "shell"):
        if kind.name == "bot" and part in body:
            body[f"{part}_id"] = _id_of(api, Kind(part), body.pop(part), organisation)
    if "bots" in body:
        members = [cast("str", one).partition(":") for one in body.pop("bots")]
        body["members"] = [
            {"bot_id": _id_of(api, Kind("bot"), bot, organisation), "role": role or None} for bot, _, role in members
        ]
    return body


def _id_of(api: ApiClient, kind: Kind, reference: str, organisation: str | None) -> str:
    """The id behind a name or id; a name alone is one of the same owner's."""
    whose = reference if organisation is None or _OF in reference else f"{organisation}{_OF}{reference}"
    return str(api.call("GET", kind.at(whose))["id"])


def _text(file: Path) -> str:
    try:
        return read_definition(file, None)[1].decode("utf-8")
    except UnicodeDecodeError as fault:
        raise BadInput(f"{file}: not UTF-8 text", hint="save the file as UTF-8") from fault


def parsed_file(file: Path) -> Any:
    """The data of a JSON file, or of a TOML file by any other name than `*.json`."""
    text = _text(file)
    try:
        return json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as fault:
        raise BadInput(f"{file}: {fault}", hint="write it as JSON in a .json file, or as TOML") from fault


def _done(kind: Kind, thing: Fields, what: str, as_json: bool) -> None:
    click.echo(json.dumps(thing) if as_json else f"The {kind.name} {agent_name(thing)} is {what}, id {thing['id']}.")


def _rows(kind: Kind, found: Fields) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = [("name", agent_name(found)), ("id", found["id"])]
    rows += [("made", day(found["created_at"])), ("changed", day(found["updated_at"]))]
    if kind.name == "bot":
        return rows + [
            (part, f"{agent_name(found[part])}, id {found[part]['id']}") for part in ("ghost", "model", "shell")
        ]
    if kind.name == "team":
        members = [
            (one["role"] or "member", f"{agent_name(one['bot'])}, id {one['bot_id']}") for one in found["members"]
        ]
        return [*rows, ("mode", found["mode"]), *members]
    for name in _BODY[kind.name][1:]:
        value = found[name]
        if name == "config":
            value = json.dumps(value, indent=2)
        rows.append((name, "-" if value is None else value))
    return rows
