"""Policies as people write, try and read them."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from kgents_cli.client import ApiClient, path_below
from kgents_cli.definition_files import read_definition
from kgents_cli.faults import EXIT_OTHER, ApiFault, BadInput, CliError, as_called
from kgents_cli.listing import show_list
from kgents_cli.parameters import named_options
from kgents_cli.secret_input import confirmed
from kgents_cli.tables import day, show_table
from kgents_cli.terminal import harmless, style

Item = Mapping[str, Any]
_PATH = "/governance/policies"
# Said of a text that is tried under no name, which nobody can change anywhere.
_OF_TRIED = " Change it by `kgents policies update tried`."


def list_policies(params: Mapping[str, Any], *, as_json: bool) -> None:
    """What `kgents policies list` prints."""
    show_list(
        _PATH,
        {
            "name": lambda policy: policy["name"],
            "level": lambda policy: policy["level"],
            "organisation": lambda policy: policy["organisation"],
            "version": lambda policy: policy["version"],
            "state": lambda policy: "on" if policy["enabled"] else "off",
            "changed": lambda policy: day(policy["updated_at"]),
            "description": lambda policy: policy["description"] or None,
        },
        none_yet="No policies. Make one with: kgents policies add NAME FILE",
        as_json=as_json,
        params=named_options(params),
        of_organisations=True,
    )


def show_policy(name: str, *, organisation: str | None, platform: bool, as_json: bool) -> None:
    """What `kgents policies show` prints."""
    with ApiClient() as api:
        policy = _found(api, name, organisation, platform)
    if as_json:
        click.echo(json.dumps(policy))
        return
    state = "on" if policy["enabled"] else style("off", "yellow", sys.stderr)
    click.echo(f"{policy['name']}: {policy['level']}, version {policy['version']}, {state}", err=True)
    click.echo("\n".join(harmless(line) for line in policy["text"].split("\n")))


def add_policy(
    name: str, file: Path, *, organisation: str | None, platform: bool, description: str, disabled: bool, as_json: bool
) -> None:
    """Make a policy of a file."""
    source, text = _text(file)
    body = {
        "name": name, "text": text, "level": "platform" if platform else "owner", "description": description,
        "enabled": not disabled,
    }  # fmt: skip
    with ApiClient() as api:
        made = api.call("POST", _PATH, body=body, params=named_options({"organisation": organisation}), source=source)
    _told(made, "is made", as_json=as_json)


def update_policy(
    name: str, file: Path, *, organisation: str | None, platform: bool, description: str, disabled: bool, as_json: bool
) -> None:
    """Change a policy to what a file says."""
    source, text = _text(file)
    with ApiClient() as api:
        policy = _found(api, name, organisation, platform)
        body = {
            "text": text, "description": description or policy["description"], "enabled": not disabled,
            "version": policy["version"],
        }  # fmt: skip
        changed = api.call("PUT", path_below(_PATH, str(policy["id"])), body=body, source=source)
    _told(changed, f"is at version {changed['version']}", as_json=as_json)


def delete_policy(name: str, *, organisation: str | None, platform: bool, yes: bool, as_json: bool) -> None:
    """End a policy once somebody has said yes."""
    with ApiClient() as api:
        policy = _found(api, name, organisation, platform)
        if not yes and not confirmed(f"Delete the policy {name}?", f"kgents policies delete {name} --yes"):
            raise CliError("nothing was deleted")
        api.call("DELETE", path_below(_PATH, str(policy["id"])))
    click.echo("null" if as_json else f"{name} is deleted; it decides nothing any more within a second.")


def list_versions(name: str, *, organisation: str | None, platform: bool, as_json: bool) -> None:
    """What `kgents policies versions` prints."""
    with ApiClient() as api:
        policy = _found(api, name, organisation, platform)
        versions = list(api.pages(path_below(_PATH, str(policy["id"]), "versions")))
    if as_json:
        click.echo(json.dumps(versions))
        return
    rows = [[row["version"], "on" if row["enabled"] else "off", day(row["at"]), row["changed_by"]] for row in versions]
    show_table(("version", "state", "at", "by"), rows)


def check_call(
    tool: str, *, file: Path | None, name: str | None, organisation: str | None, platform: bool, as_json: bool,
    **call: Any,
) -> int:  # fmt: skip
    """Say what would be decided; 1 where it is a denial."""
    source, text = (None, None) if file is None else _text(file)
    call["arguments"] = _arguments(call.get("arguments"))
    body = named_options({"text": text, "name": name})
    body["level"] = "platform" if platform else "owner"
    with ApiClient() as api:
        body["call"] = {"tool": tool, **_as_it_is(api, tool, organisation), **named_options(call)}
        path, params = f"{_PATH}/check", named_options({"organisation": organisation})
        decision = api.call("POST", path, body=body, params=params, source=source)
    if as_json:
        click.echo(json.dumps(decision))
    elif decision["allowed"]:
        click.echo(style("allowed", "green", sys.stdout))
    else:
        reason = str(decision["reason"]).removesuffix(_OF_TRIED)
        click.echo(f"{style('denied', 'red', sys.stdout)}: {harmless(as_called(reason))}")
    return 0 if decision["allowed"] else EXIT_OTHER


def _as_it_is(api: ApiClient, tool: str, organisation: str | None) -> dict[str, Any]:
    """The kind of a tool and what it does outside; nothing of one that isn't there."""
    of = "" if organisation is None else f"{organisation}~"
    try:
        found = api.call("GET", path_below("/tools", f"{of}{tool}"))
        server = found.get("server_id")
        is_wasm = server is not None and api.call("GET", path_below("/mcp-servers", server))["transport"] == "wasm"
    except ApiFault as fault:
        if fault.status not in (403, 404):
            raise
        click.echo(f"Note: there is no tool {harmless(tool)}; it is taken as one of an MCP server, external.", err=True)
        return {}
    return {"kind": "wasm" if is_wasm else found["kind"], "side_effect": found["side_effect"]}


def _found(api: ApiClient, name: str, organisation: str | None, platform: bool) -> Item:
    """The policy of that name: one's own, the organisation's or the platform's."""
    level = "platform" if platform else "owner"
    found = list(api.pages(_PATH, named_options({"name": name, "level": level, "organisation": organisation})))
    if len(found) > 1:
        own = api.call("GET", "/users/me")["id"]
        found = [policy for policy in found if policy["owner_id"] == own] or found
    if not found:
        hint = "see what there is with: kgents policies list"
        raise CliError(f"there is no policy named {name} there", hint=hint, exit_code=2)
    return found[0]


def _text(file: Path) -> tuple[str, str]:
    hint = "name a file with rules in Cedar; docs/policies.md has examples"
    source, content = read_definition(file, hint)
    try:
        return source, content.decode()
    except UnicodeDecodeError as fault:
        raise BadInput(f"{source} isn't UTF-8 text", hint="save it as UTF-8") from fault


def _arguments(text: str | None) -> Any:
    if text is None:
        return None
    try:
        arguments = json.loads(text)
    except ValueError as fault:
        raise BadInput(f"--arguments is no JSON: {fault}", hint="""write it as '{"name": "value"}'""") from fault
    if not isinstance(arguments, dict):
        raise BadInput("--arguments is no JSON object", hint="""write it as '{"name": "value"}'""")
    return arguments


def _told(policy: Item, what: str, *, as_json: bool) -> None:
    holds = "holds everywhere within a second" if policy["enabled"] else "decides nothing: it is off"
    click.echo(json.dumps(policy) if as_json else f"{policy['name']} {what} and {holds}.")
