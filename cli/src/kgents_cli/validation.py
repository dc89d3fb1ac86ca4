"""What `kgents validate` does: faults and warnings as compilers write them, by this machine or with the server."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from kgents_cli.definition_files import read_definition
from kgents_cli.faults import EXIT_BAD_INPUT, ApiFault, BadInput, as_called
from kgents_cli.terminal import harmless, style

if TYPE_CHECKING:  # checking a file loads no client of HTTP
    from kgents_cli.client import ApiClient


def validate_file(file: Path, *, server: bool, organisation: str | None, as_json: bool) -> int:
    """Print the report; 2 if it has errors."""
    if organisation is not None and not server:
        raise BadInput("--organisation goes with --server", hint="add --server, or leave it out")
    source, body = read_definition(file, "name a TOML or JSON file")
    language = _language(file, body)
    report = _from_server(body, language, organisation) if server else _from_here(body, language)
    if as_json:
        click.echo(json.dumps(report))
    else:
        _show(source, report)
    return EXIT_BAD_INPUT if report["errors"] else 0


def _language(file: Path, body: bytes) -> Literal["toml", "json"]:
    """By the file's name; what comes through a pipe is JSON if it begins as an object does."""
    if str(file) == "-":
        return "json" if body.lstrip()[:1] == b"{" else "toml"
    return "json" if file.suffix.lower() == ".json" else "toml"


def warnings_of(
    api: "ApiClient", body: bytes, language: Literal["toml", "json"], organisation: str | None
) -> list[dict[str, Any]]:
    """What is likely a mistake in a definition that was taken; tools, credentials and agents that aren't there, too.

    Where the server doesn't say, it is what this machine knows.
    """
    try:
        return _ask(api, body, language, organisation)["warnings"]
    except ApiFault:
        return _from_here(body, language)["warnings"]


def show_warnings(source: str, warnings: Sequence[Mapping[str, Any]]) -> None:
    """Print them on stderr."""
    for fault in warnings:
        click.echo(as_called(_line(source, style("warning", "yellow"), fault)), err=True)


def _from_here(body: bytes, language: Literal["toml", "json"]) -> dict[str, Any]:
    from kgents_shared.definitions.examine import examine

    return examine(body, language).as_json()


def _from_server(body: bytes, language: str, organisation: str | None) -> dict[str, Any]:
    from kgents_cli.client import ApiClient

    with ApiClient() as api:
        return _ask(api, body, language, organisation)


def _ask(api: "ApiClient", body: bytes, language: str, organisation: str | None) -> dict[str, Any]:
    params = {} if organisation is None else {"organisation": organisation}
    return api.call("POST", "/agents/validate", params=params, content=body, content_type=f"application/{language}")


def _show(source: str, report: Mapping[str, Any]) -> None:
    errors, warnings = report["errors"], report["warnings"]
    for word, colour, found in (("error", "red", errors), ("warning", "yellow", warnings)):
        for fault in found:
            click.echo(as_called(_line(source, style(word, colour, sys.stdout), fault)))
    counts = [f"{len(found)} {word if len(found) != 1 else word[:-1]}" for word, found in report.items() if found]
    if not errors:
        click.echo(f"{harmless(source)}: {style('valid', 'green', sys.stdout)}" + (f", {counts[0]}" if counts else ""))
    if counts:
        code = (errors or warnings)[0]["code"]
        click.echo(as_called(f"{' and '.join(counts)}. What a code means: kgents explain {code}"), err=True)


def _line(source: str, word: str, fault: Mapping[str, Any]) -> str:
    place = ":".join([harmless(source), *(str(fault[key]) for key in ("line", "column") if fault.get(key))])
    field = ".".join(str(part) for part in fault["loc"])
    hint = f" ({fault['hint']})" if fault["hint"] else ""
    said = harmless(f"{field + ': ' if field else ''}{fault['msg']}{hint} [{fault['code']}]")
    return f"{place}: {word}: {said}"
