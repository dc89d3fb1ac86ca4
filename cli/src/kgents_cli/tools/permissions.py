"""Who may call which tool, and what was denied, as people say and read it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from kgents_cli.client import ApiClient, agent_path, path_below
from kgents_cli.faults import ApiFault, BadInput, CliError
from kgents_cli.listing import show_list
from kgents_cli.parameters import named_options
from kgents_cli.tables import day
from kgents_cli.terminal import harmless

Item = Mapping[str, Any]
_RULES, _NAMES, _DENIALS = "/tools/permissions", "/tools/capabilities", "/tools/denials"


def rule(
    effect: str, pattern: str, *, agent: str | None, organisation: str | None, system: bool, note: str | None,
    remove: bool, as_json: bool,
) -> None:  # fmt: skip
    """Make a rule, or take it back."""
    if system and (agent or organisation):
        raise BadInput("--system goes with neither --agent nor --organisation", hint="leave the others out")
    level = "system" if system else "agent" if agent else "owner"
    params = named_options({"organisation": organisation})
    whom = "the platform" if system else f"the agent {agent}" if agent else organisation or "your agents"
    with ApiClient() as api:
        if remove:
            removed = _remove(api, effect, pattern, level, agent, organisation)
            click.echo(json.dumps(removed) if as_json else f"Taken back: {effect} {pattern} for {whom}.")
            return
        body = named_options({"effect": effect, "pattern": pattern, "level": level, "agent": agent, "note": note})
        made = api.call("POST", _RULES, body=body, params=params)
        made["warnings"] += _not_there(api, pattern, agent, organisation)
    if as_json:
        click.echo(json.dumps(made))
        return
    click.echo(f"{'Allowed' if effect == 'allow' else 'Denied'}: {pattern} for {whom}, from the next call on.")
    for warning in made["warnings"]:
        click.echo(f"Note: {warning}", err=True)


def _not_there(api: ApiClient, pattern: str, agent: str | None, organisation: str | None) -> list[str]:
    """What a rule names that isn't there: it may come, or be misspelt."""
    of = f"{organisation}~" if organisation else ""
    found: list[str] = []
    if agent is not None and not _is_there(api, agent_path(f"{of}{agent}")):
        found.append(f"There is no agent named {agent} yet.")
    names = dict.fromkeys([f"{of}{pattern}", pattern])
    is_one = not pattern.startswith("capability:") and "*" not in pattern
    if is_one and not any(_is_there(api, path_below("/tools", name)) for name in names):
        found.append(f"There is no tool named {pattern} yet.")
    return found


def _is_there(api: ApiClient, path: str) -> bool:
    """Whether it is there, as far as this identity may know."""
    try:
        api.call("GET", path)
    except ApiFault as fault:
        return fault.status != 404
    return True


def _remove(api: ApiClient, effect: str, pattern: str, level: str, agent: str | None, organisation: str | None) -> Item:
    params = named_options({"effect": effect, "agent": agent, "organisation": organisation})
    own = None if organisation or level == "system" else api.call("GET", "/users/me")["id"]
    for found in api.pages(_RULES, params):
        is_same = (found["pattern"], found["level"]) == (pattern, level)
        if is_same and (own is None or found["owner_id"] == own):
            api.call("DELETE", path_below(_RULES, str(found["id"])))
            return found
    raise CliError(
        f"there is no rule that says {effect} {pattern} there", hint="see what there is with: kgents tools permissions",
        exit_code=2,
    )  # fmt: skip


def list_rules(params: Mapping[str, Any], *, as_json: bool) -> None:
    """What `kgents tools permissions` prints."""
    show_list(
        _RULES,
        {
            "level": lambda found: found["level"],
            "organisation": lambda found: found["organisation"],
            "agent": lambda found: found["agent"],
            "effect": lambda found: found["effect"],
            "pattern": lambda found: found["pattern"],
            "since": lambda found: day(found["created_at"]),
            "note": lambda found: found["note"],
        },
        none_yet="No rules: agents may call what their definitions allow. Make one with: kgents tools deny PATTERN",
        as_json=as_json,
        params=named_options(params),
        of_organisations=True,
    )


def list_capabilities(params: Mapping[str, Any], *, as_json: bool) -> None:
    """What `kgents tools capabilities` prints."""
    show_list(
        _NAMES,
        {
            "name": lambda found: found["name"],
            "of": lambda found: "the platform" if found["owner_id"] is None else found["organisation"] or "you",
            "tools": lambda found: " ".join(found["patterns"]),
            "description": lambda found: found["description"] or None,
        },
        none_yet="No capabilities yet. Name some tools with: kgents tools capability NAME PATTERN…",
        as_json=as_json,
        params=named_options(params),
        of_organisations=True,
    )


def set_capability(
    name: str, patterns: Sequence[str], *, description: str, organisation: str | None, system: bool, remove: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Say which tools a name stands for, or forget it."""
    if remove == bool(patterns):
        raise BadInput("name the tools, or say --remove", hint=f"kgents tools capability {name} 'server.*'")
    params = named_options({"organisation": organisation, "level": "system" if system else None})
    with ApiClient() as api:
        if remove:
            api.call("DELETE", path_below(_NAMES, name), params=params)
            click.echo("null" if as_json else f"capability:{harmless(name)} is forgotten.")
            return
        body = {"patterns": list(patterns), "description": description}
        made = api.call("PUT", path_below(_NAMES, name), body=body, params=params)
    click.echo(json.dumps(made) if as_json else f"capability:{made['name']} stands for {' '.join(made['patterns'])}.")


def count_denials(params: Mapping[str, Any], *, as_json: bool) -> None:
    """What `kgents tools denials` prints."""
    show_list(
        _DENIALS,
        {
            "day": lambda found: found["day"],
            "calls": lambda found: found["calls"],
            "agent": lambda found: found["agent"],
            "tool": lambda found: found["tool"],
            "denied by": lambda found: _by(found["denied_by"]),
        },
        none_yet="Nothing was denied.",
        as_json=as_json,
        params=named_options(params),
    )


def _by(denied_by: Item) -> str:
    if denied_by["policy"] is not None:
        return f"policy {denied_by['policy']}, rule {denied_by['rule']}"
    level = denied_by["level"] or "an older rule"
    return f"{level}: {'no allow' if denied_by['pattern'] is None else 'deny ' + denied_by['pattern']}"
