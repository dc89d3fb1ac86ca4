"""Tools of HTTP APIs: from a file or an address to what the registry takes, and back to lines."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

import click

from kgents_cli.client import ApiClient, is_address, path_below
from kgents_cli.definition_files import read_definition
from kgents_cli.faults import BadInput, CliError, as_called
from kgents_cli.parameters import named_options
from kgents_cli.secret_input import confirmed
from kgents_cli.tables import counted
from kgents_cli.terminal import harmless, progress
from kgents_cli.tools.catalogue import PATH

_IMPORTS = "/tools/imports"
_EFFECTS = ("none", "read", "write", "external")
_HINT = "name a TOML file of one HTTP tool, or an OpenAPI document: a file or a URL"
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What goes beside the file or address."""

    name: str | None
    base_url: str | None
    operations: Sequence[str]
    credential_ref: str | None
    auth: str | None
    side_effects: Sequence[str]
    organisation: str | None

    @property
    def authorized(self) -> Body:
        """The fields that say what calls are authorized with, and how."""
        shown = {} if self.auth is None else {"auth": _placement(self.auth)}
        return named_options({"credential_ref": self.credential_ref}) | shown

    @property
    def of(self) -> str:
        """What stands before the tools' names."""
        return "" if self.organisation is None else f"{self.organisation}~"

    @property
    def params(self) -> dict[str, str]:
        """Whose the tools are to be."""
        return {} if self.organisation is None else {"organisation": self.organisation}


def add_tools(source: str, wanted: Wanted, *, as_json: bool) -> None:
    """What `kgents tools add` does: one tool of a TOML or JSON file, or all of an OpenAPI document."""
    if is_address(source):
        _import({"url": source}, wanted, source, as_json=as_json)
        return
    name, content = read_definition(Path(source), _HINT)
    document = _read(name, content)
    if isinstance(document, str) or "openapi" in document or "swagger" in document:
        _import({"document": document}, wanted, None, as_json=as_json)
        return
    body = document | named_options({"name": wanted.name}) | wanted.authorized
    if wanted.side_effects:
        body["side_effect"] = _one_effect(wanted.side_effects)
    with ApiClient() as api:
        made = api.call("POST", PATH, body=body, params=wanted.params, source=name)
    click.echo(json.dumps(made) if as_json else f"The tool {made['name']} is made, side effect {made['side_effect']}.")
    _tell_of_approvals([made] if made["side_effect"] == "external" else [], wanted.of)


def remove_tool(name: str, *, yes: bool, as_json: bool) -> None:
    """Forget a tool of one HTTP request, or an import with all its tools."""
    with ApiClient() as api:
        imported = _find_import(api, name)
        what = f"the tool {name}" if imported is None else f"the imported API {name} with its tools"
        if imported is None:
            _refuse_what_is_no_request(api.call("GET", path_below(PATH, name)))
        if not yes and not confirmed(f"Forget {what}?", f"kgents tools remove {name} --yes"):
            raise CliError("nothing was removed")
        api.call("DELETE", path_below(PATH, name) if imported is None else path_below(_IMPORTS, imported["id"]))
    click.echo("null" if as_json else f"{name} is removed.")


def _refuse_what_is_no_request(tool: Mapping[str, Any]) -> None:
    name, server = str(tool["name"]), str(tool["name"]).partition(".")[0]
    if tool["kind"] == "builtin":
        hint = f"no agent may call it after: kgents tools deny {name}"
        raise BadInput(f"{name} is part of the platform and stays", hint=hint)
    if tool.get("server_id") is not None:
        hint = (
            f"no agent may call it after: kgents tools deny {name}; forget the server with: kgents mcp remove {server}"
        )
        raise BadInput(f"{name} is offered by the MCP server {server}", hint=hint)


def refresh_import(name: str, file: str | None, *, as_json: bool) -> None:
    """Read an imported API's document again, from where it was or from a file."""
    body: Body = {}
    if file is not None:
        body["document"] = _read(*read_definition(Path(file), _HINT))
    with ApiClient() as api, progress(f"{name}: reading its document again"):
        imported = _find_import(api, name)
        if imported is None:
            raise BadInput(f"there is no imported API named {name}", hint="kgents mcp refresh is for MCP servers")
        found = api.call("POST", path_below(_IMPORTS, imported["id"], "refresh"), body=body, timeout_s=120)
    if as_json:
        click.echo(json.dumps(found))
        return
    for state in ("added", "changed", "removed", "unchanged"):
        for tool in found[state]:
            click.echo(f"{state:9}  {harmless(tool)}")
    if found["changed"]:
        hint = f"kgents tools accept {found['changed'][0]}"
        click.echo(as_called(f"What changed is off until you take it: {hint}"), err=True)


def _import(document: Body, wanted: Wanted, shown: str | None, *, as_json: bool) -> None:
    if wanted.name is None:
        raise BadInput("an API needs a name: its tools are called NAME.<operation>", hint="write --name NAME")
    body = document | named_options({"name": wanted.name, "base_url": wanted.base_url}) | wanted.authorized
    if wanted.operations:
        body["operations"] = list(wanted.operations)
    if wanted.side_effects:
        body["side_effects"] = _effects(wanted.side_effects)
    with ApiClient() as api, progress(f"{wanted.name}: reading {shown or 'its document'}"):
        made = api.call("POST", f"{PATH}/import", body=body, params=wanted.params, timeout_s=120)
    if as_json:
        click.echo(json.dumps(made))
        return
    click.echo(f"The API {wanted.name} is imported with {counted(len(made['tools']), 'tool')}, id {made['api']['id']}.")
    for tool in made["tools"]:
        click.echo(harmless(f"  {wanted.of}{tool['name']}  {tool['side_effect']}"))
    for warning in made["api"]["warnings"]:
        click.echo(f"warning: {harmless(warning)}", err=True)
    _tell_of_unused(wanted, made["tools"])
    _tell_of_approvals([tool for tool in made["tools"] if tool["side_effect"] == "external"], wanted.of)


def _tell_of_approvals(tools: Sequence[Mapping[str, Any]], of: str) -> None:
    if tools:
        suggested = tools[0].get("suggested_side_effect", "read")
        effect = "write" if suggested == "external" else suggested
        hint = f"kgents tools set {of}{tools[0]['name']} --side-effect {effect}"
        who, which = ("1 asks", "it") if len(tools) == 1 else (f"{len(tools)} ask", "one")
        click.echo(as_called(f"{who} for an approval at each call; if {which} needs none: {hint}"), err=True)


def _tell_of_unused(wanted: Wanted, tools: Sequence[Mapping[str, Any]]) -> None:
    """Warn of patterns that are no operation's: most are misspelt."""
    operations = [str(tool["name"]).partition(".")[2] for tool in tools]
    effects = [written.rpartition("=")[0] or "*" for written in wanted.side_effects]
    for option, patterns in (("--only", wanted.operations), ("--side-effect", effects)):
        for pattern in patterns:
            if not any(fnmatchcase(operation, pattern) for operation in operations):
                click.echo(f"warning: {option} {harmless(pattern)} is no operation of {wanted.name}", err=True)


def _read(name: str, content: bytes) -> Body | str:
    """TOML and JSON as an object; a text that is neither is YAML, which the registry reads."""
    import tomllib

    try:
        text = content.decode()
    except UnicodeDecodeError as fault:
        raise BadInput(f"{name} is not UTF-8 text", hint=_HINT) from fault
    if name.endswith((".yaml", ".yml")):
        return text
    try:
        found: object = tomllib.loads(text) if name.endswith(".toml") else json.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise BadInput(f"{name}: {fault}", hint=_HINT) from fault
    except ValueError:
        # JSON is YAML too: what is no JSON may still be that.
        return text
    if not isinstance(found, dict):
        raise BadInput(f"{name} holds no tool and no API", hint=_HINT)
    return cast("Body", found)


def _one_effect(effects: Sequence[str]) -> str:
    if len(effects) > 1 or effects[0] not in _EFFECTS:
        raise BadInput("a single tool takes one --side-effect", hint=f"one of: {', '.join(_EFFECTS)}")
    return effects[0]


def _effects(effects: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for written in effects:
        pattern, _, effect = written.rpartition("=")
        if effect not in _EFFECTS:
            raise BadInput(f"{written!r} is no side effect", hint=f"PATTERN=EFFECT, EFFECT of: {', '.join(_EFFECTS)}")
        found[pattern or "*"] = effect
    return found


def _placement(way: str) -> dict[str, str]:
    scheme, _, name = way.partition("=")
    if scheme in ("bearer", "basic") and not name:
        return {"scheme": scheme}
    if scheme in ("header", "query") and name:
        return {"scheme": scheme, "name": name}
    raise BadInput(f"{way!r} is no way to show a credential", hint="one of: bearer, basic, header=NAME, query=NAME")


def _find_import(api: ApiClient, name: str) -> dict[str, Any] | None:
    """The imported API of this name, `organisation~name` or id; None where it is no API's."""
    organisation, _, rest = name.rpartition("~")
    params = {"organisation": organisation} if organisation else {}
    found = [one for one in api.pages(_IMPORTS, params) if rest in (one["name"], one["id"])]
    return found[0] if len(found) == 1 else None
