"""Talking to an agent: the answer streams to stdout, everything about it goes to stderr."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import click

from kgents_cli.client import ApiClient, ServerEvent
from kgents_cli.faults import BadInput, CliError
from kgents_cli.terminal import style

_FAILED = frozenset({"failed", "cancelled", "error", "run.failed", "run.cancelled"})
_FINAL = frozenset({"final", "completed", "run.completed", "done", "result"})


def send_message(agent: str, text: str, conversation: str | None, *, as_json: bool) -> None:
    """What `kgents message` does."""
    if text == "-":
        text = sys.stdin.read()
    if not text.strip():
        raise BadInput("the message is empty", hint='say something: kgents message AGENT "Hello"')
    body = {"text": text} | ({"conversation_id": conversation} if conversation else {})
    with ApiClient() as api:
        if as_json:
            click.echo(json.dumps(api.call("POST", f"/agents/{agent}/message", body=body)))
            return
        with api.stream(f"/agents/{agent}/message", body) as events:
            result = print_answer(events)
    if sys.stderr.isatty() and (identifier := result.get("conversation_id")):
        click.echo(style(f"(go on with: --conversation {identifier})", "dim"), err=True)


def print_answer(events: Iterator[ServerEvent]) -> dict[str, Any]:
    """Prints the text deltas; returns what the events told of the run (`run_id`, `conversation_id`, …).

    Raises:
        CliError: the run failed, or the stream ended before it was done.
    """
    known: dict[str, Any] = {}
    shown = ""
    for event in events:
        name = str(event.data.get("type") or event.name)
        known |= {key: event.data[key] for key in ("run_id", "conversation_id") if key in event.data}
        if name in _FAILED:
            _end_line(shown)
            raise CliError(
                str(event.data.get("detail") or event.data.get("error") or f"the run was {name}"),
                hint="what was said before is stored; send the message again to go on",
            )
        if name == "reset":
            # The model call is made again from its start: what it had said so far doesn't count.
            if shown:
                click.echo(style("\n(the model is asked again)", "dim"), err=True)
            shown = ""
        elif name == "delta":
            shown += str(event.data.get("text", ""))
            click.echo(event.data.get("text", ""), nl=False)
            sys.stdout.flush()
        elif name in _FINAL:
            text = str(event.data.get("text", ""))
            click.echo(text.removeprefix(shown) if text.startswith(shown) else text, nl=False)
            _end_line(text or shown)
            return known | event.data
    _end_line(shown)
    raise CliError("the answer broke off", hint="the run goes on in the server; its text is in the conversation")


def _end_line(text: str) -> None:
    if text and not text.endswith("\n"):
        click.echo()
