"""Calling a tool oneself, by the same way that an agent's calls go."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, cast

import click

from kgents_cli.client import ApiClient, path_below
from kgents_cli.faults import BadInput, CliError, as_called
from kgents_cli.tables import day
from kgents_cli.terminal import harmless
from kgents_cli.tools.catalogue import PATH
from kgents_cli.tools.examples import example_arguments

_CALL_WITHIN_S = 120.0
_OTHERS = """the arguments were made up; give others with: --arguments '{"name": "value"}'"""


def call_tool(name: str, written: str | None, fields: Sequence[str], key: str | None, *, as_json: bool) -> int:
    """What `kgents tools call` does: 0 where there is a result, 1 where the tool failed or somebody must decide."""
    arguments = arguments_of(written, fields)
    with ApiClient() as api:
        answer = _call(api, name, arguments, key)
    return _shown(name, answer, as_json=as_json)


def try_tool(name: str, written: str | None, *, shows_only: bool, as_json: bool) -> int:
    """What `kgents tools test` does: a call with arguments made from the tool's schema, which are shown."""
    with ApiClient() as api:
        tool = api.call("GET", path_below(PATH, name))
        arguments = example_arguments(tool["input_schema"]) if written is None else arguments_of(written, ())
        if shows_only:
            click.echo(harmless(json.dumps(arguments, indent=None if as_json else 2, ensure_ascii=False)))
            return 0
        click.echo(f"{name} {harmless(json.dumps(arguments, ensure_ascii=False))}", err=True)
        hint = _OTHERS if written is None and arguments else None
        return _shown(name, _call(api, name, arguments, None), as_json=as_json, hint=hint)


def arguments_of(written: str | None, fields: Sequence[str]) -> dict[str, Any]:
    """One JSON object (`-` is standard input), and `name=value` beside it; a value that isn't JSON is a text.

    Raises:
        BadInput: it is none.
    """
    text = sys.stdin.read() if written == "-" else written
    try:
        found = json.loads(text) if text else {}
    except ValueError as fault:
        raise BadInput(f"the arguments are not JSON: {fault}", hint="""write them as '{"name": "value"}'""") from fault
    if not isinstance(found, dict):
        raise BadInput("the arguments must be a JSON object", hint="""write them as '{"name": "value"}'""")
    arguments = cast("dict[str, Any]", found)
    for field in fields:
        name, equals, value = field.partition("=")
        if not name or not equals:
            raise BadInput(f"{field!r} is no argument", hint="write --argument name=value")
        arguments[name] = _value(value)
    return arguments


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _call(api: ApiClient, name: str, arguments: Mapping[str, Any], key: str | None) -> dict[str, Any]:
    path = path_below(PATH, name, "call")
    answer = api.post_under(key, path, {"arguments": arguments}, timeout_s=_CALL_WITHIN_S)
    return cast("dict[str, Any]", answer)


def _shown(name: str, answer: Mapping[str, Any], *, as_json: bool, hint: str | None = None) -> int:
    waiting = answer.get("waiting")
    if as_json:
        click.echo(json.dumps(answer))
    elif waiting is not None:
        approval = waiting["approval_id"]
        raise CliError(
            f"{name} waits for approval {approval}, until {day(waiting['expires_at'])}",
            lines=[f"decide:  {as_called(f'kgents approvals approve {approval}')}"],
            hint="then: the same command again",
        )
    elif answer["is_error"]:
        said = f"{name} gave no result"
        raise CliError(said, lines=str(answer["content"]).removeprefix(f"{said}. ").splitlines(), hint=hint)
    else:
        click.echo(harmless(str(answer["content"])))
    return 0 if waiting is None and not answer["is_error"] else 1
