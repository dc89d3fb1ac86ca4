"""Foreign tools as patterns of ours (`server.tool`), and what is to be done so that they are there."""

import re
from collections.abc import Mapping
from typing import Any, cast

from kgents_cli.migration.documents import short_json
from kgents_cli.migration.fields import Fields, hidden_if_secret
from kgents_cli.migration.naming import as_label

_PATTERN = re.compile(r"[A-Za-z0-9_*-]+(?:\.[A-Za-z0-9_*-]+)+")
_OFFER = "offer it by an MCP server (POST /mcp-servers) and add its name to tools.allow"


def carry_patterns(fields: Fields, name: str, value: object) -> list[str]:
    """The entries that are `server.tool` patterns already; every other one is lost, named."""
    allowed: list[str] = []
    for place, entry in enumerate(cast("list[object]", value) if isinstance(value, list) else [value]):
        tool = _named(entry)
        if tool is None:
            fields.lose(name, "tool_unnamed", f"tool {place + 1} has no name")
        elif _PATTERN.fullmatch(tool):
            allowed.append(tool)
        else:
            fields.lose(
                name, "tool_not_here", f"the tool {short_json(tool)!r} is code of the other system",
                _OFFER,
            )  # fmt: skip
    return list(dict.fromkeys(allowed))


def _named(entry: object) -> str | None:
    if isinstance(entry, str):
        return entry.strip() or None
    if isinstance(entry, dict):
        table = cast("Mapping[str, Any]", entry)
        found = table.get("name") or table.get("id") or table.get("type")
        if isinstance(found, str):
            return found
        return str(next(iter(table))) if len(table) == 1 else None
    return None


def carry_servers(fields: Fields, name: str, value: object) -> list[str]:
    """`mcpServers: {github: {command: …}}` as `github.*`; each server is still to be registered."""
    if not isinstance(value, dict):
        fields.lose(name, "not_a_table", "should be a table of servers, and is not")
        return []
    allowed: list[str] = []
    for server, settings in cast("dict[str, Any]", value).items():
        label = as_label(server)
        allowed.append(f"{label}.*")
        msg = f"the MCP server {hidden_if_secret(server)!r} must be registered as {label!r}{_reached(settings)}"
        hint = "POST /mcp-servers with its url or command; its secrets: kgents credentials create NAME --type mcp"
        fields.todo(name, "register_server", msg, hint)
    return allowed


def _reached(settings: object) -> str:
    """How the server was reached, without arguments and environment: secrets stand there."""
    if not isinstance(settings, dict):
        return ""
    table = cast("Mapping[str, Any]", settings)
    if isinstance(command := table.get("command"), str):
        return f" (a command: {short_json(command.partition(' ')[0])})"
    if isinstance(table.get("url"), str):
        return " (an address)"
    return ""
