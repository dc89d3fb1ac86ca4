"""Templates of the platform: shown, copied into files, made into agents."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from kgents_cli.client import ApiClient, agent_name, agent_path, path_below
from kgents_cli.faults import ApiFault, BadInput, as_called
from kgents_cli.listing import show_list
from kgents_cli.publishing import Delivery, deliver
from kgents_cli.terminal import harmless

Template = Mapping[str, Any]
_NAMES = (
    "take a-z, 0-9 and hyphens between them, no word that the platform needs itself, and 63 characters at most, with"
    " what the template adds for its other agents"
)
_AGENT_LINE = re.compile(r'^agent = ".*"$', re.MULTILINE)


def show_templates(search: str | None, tag: str | None, *, as_json: bool) -> None:
    """What `kgents templates list` does."""
    wanted = {"search": search, "tag": tag}
    show_list(
        "/templates",
        {
            "name": lambda one: one["name"],
            "version": lambda one: one["version"],
            "agents": lambda one: one["agents"],
            "tags": lambda one: ", ".join(one["tags"]),
            "description": lambda one: one["description"],
        },
        none_yet="No template is like that; all of them: kgents templates list",
        as_json=as_json,
        params={key: value for key, value in wanted.items() if value is not None},
    )


def show_template(name: str, *, as_json: bool) -> None:
    """What `kgents templates show` does."""
    with ApiClient() as api:
        found = _template(api, name, None)
    if as_json:
        click.echo(json.dumps(found))
        return
    where = "built in" if found["source"] == "built_in" else "from the server's directory"
    head = f"{found['name']} {found['version']} by {found['author']}, {where}; needs Kgents {found['needs_kgents']}"
    agents = [f"--- {agent['name']}\n{agent['definition'].strip()}" for agent in found["agents"]]
    parts = [head, found["description"], as_called(found["usage"].strip()), *agents]
    click.echo(harmless("\n\n".join(parts)))


def copy_template(name: str, new_name: str | None, folder: Path, *, force: bool) -> None:
    """What `kgents templates copy` does: a definition and its scenarios as files, for each agent."""
    with ApiClient() as api:
        found = _template(api, name, new_name)
    texts: dict[Path, str] = {}
    for agent in found["agents"]:
        definition, scenarios = f"{agent['name']}.toml", f"{agent['name']}.scenarios.toml"
        texts[folder / definition] = agent["definition"]
        texts[folder / scenarios] = _AGENT_LINE.sub(f'agent = "{definition}"', agent["scenarios"], count=1)
    there = [path for path in texts if path.exists() or path.is_symlink()]
    if there and not force:
        raise BadInput(f"{there[0]} is there already", hint="name another --out, or overwrite it with --force")
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        if path.is_symlink():
            path.unlink()  # what it leads to is no file of the folder
        path.write_text(text, encoding="utf-8")
        click.echo(str(path))


def create_from_template(name: str, new_name: str | None, delivery: Delivery) -> None:
    """What `kgents create --template` does. An agent that is there already is never replaced by a template."""
    with ApiClient() as api:
        found = _template(api, name, new_name)
        for agent in found["agents"]:
            _refuse_taken(api, agent["name"], delivery.organisation)
        params = {} if delivery.organisation is None else {"organisation": delivery.organisation}
        made = [
            api.call(
                "POST",
                "/agents",
                params=params,
                content=agent["definition"].encode(),
                content_type="application/toml",
                source=f"template {name}",
            )
            for agent in found["agents"]
        ]
        for agent in made:
            deliver(api, agent, delivery, is_new=True)


def _template(api: ApiClient, name: str, new_name: str | None) -> Template:
    params = {} if new_name is None else {"agent_name": new_name}
    try:
        return api.call("GET", path_below("/templates", name), params=params)
    except ApiFault as fault:
        # Nothing else of what is asked can be wrong in itself.
        if fault.status != 422 or new_name is None:
            raise
        raise BadInput(f'--name: no agent can be called "{new_name}"', hint=_NAMES) from fault


def _refuse_taken(api: ApiClient, name: str, organisation: str | None) -> None:
    full = agent_name({"name": name, "organisation": organisation})
    try:
        api.call("GET", agent_path(full))
    except ApiFault as fault:
        if fault.status != 404 or fault.code != "agent_not_found":
            raise
        return
    raise BadInput(f"there is an agent named {full} already", hint="choose another name with --name")
