"""Talking to an agent: the answer streams to stdout, everything about it goes to stderr."""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import click

from kgents_cli.client import ApiClient, ServerEvent, agent_path
from kgents_cli.faults import BadInput, CliError, as_called
from kgents_cli.problems import problem_error
from kgents_cli.terminal import harmless, style

# A run may last as long as the agent's own limit allows, which is an hour at most.
_LONGEST_RUN_S = 3700.0


def send_message(agent: str, text: str, conversation: str | None, *, go_on: bool, as_json: bool) -> None:
    """What `kgents message` does. `go_on` takes the caller's newest conversation with the agent."""
    text = _readable(text)
    if not text.strip():
        raise BadInput("the message is empty", hint='say something: kgents message AGENT "Hello"')
    if conversation is not None and not conversation.strip():
        raise BadInput("--conversation is empty", hint="name a conversation, or leave --conversation out to begin one")
    if conversation is not None and go_on:
        raise BadInput("--conversation and --continue say different things", hint="give one of them")
    with ApiClient() as api:
        if go_on:
            conversation = _newest_conversation(api, agent)
        body = {"text": text} | ({"conversation_id": conversation} if conversation else {})
        if as_json:
            click.echo(json.dumps(api.call("POST", agent_path(agent, "message"), body=body, timeout_s=_LONGEST_RUN_S)))
            return
        with api.stream(agent_path(agent, "message"), body) as events:
            result = print_answer(events)
    if sys.stderr.isatty() and (identifier := result.get("conversation_id")):
        click.echo(style(f"(go on with: --conversation {harmless(str(identifier))})", "dim"), err=True)


def _newest_conversation(api: ApiClient, agent: str) -> str:
    name, at, lane = agent.partition("@")
    pages = api.pages(agent_path(name, "conversations"), {"limit": 50 if at else 1})
    newest = next((found for found in pages if not at or found["lane"] == lane), None)
    if newest is None:
        raise BadInput(f"there is no conversation with {agent} yet", hint="leave --continue out to begin one")
    return str(newest["id"])


def _readable(text: str) -> str:
    """The text, or standard input where it is `-`.

    Raises:
        BadInput: it is not UTF-8, which Python shows by lone surrogates.
    """
    try:
        text = sys.stdin.read() if text == "-" else text
        text.encode()
    except UnicodeError as fault:
        raise BadInput("the message is not UTF-8 text", hint="convert it: iconv -t UTF-8") from fault
    return text


def print_answer(events: Iterator[ServerEvent]) -> dict[str, Any]:
    """Prints the text deltas; returns what the events told of the run (`run_id`, `conversation_id`, …).

    A run that waits for an approval is no fault: what to do about it goes to stderr.

    Raises:
        CliError: the run failed, or the stream ended before it was done.
    """
    known: dict[str, Any] = {}
    shown = ""
    for event in events:
        known |= {key: event.data[key] for key in ("run_id", "conversation_id") if key in event.data}
        if event.name == "failed":
            _end_line(shown)
            raise problem_error(int(event.data.get("status") or 500), event.data)
        if event.name == "reset":
            # The model call is made again from its start: what it had said so far doesn't count.
            _end_line(shown)
            click.echo(style("(the model is asked again)", "dim"), err=True)
            shown = ""
        elif event.name == "delta":
            shown += str(event.data.get("text", ""))
            click.echo(harmless(str(event.data.get("text", ""))), nl=False)
            sys.stdout.flush()
        elif event.name == "waiting_approval":
            _end_line(shown)
            tell_what_it_waits_for(event.data)
            return known | event.data
        elif event.name == "completed":
            text = str(event.data.get("text", ""))
            click.echo(harmless(text.removeprefix(shown) if text.startswith(shown) else text), nl=False)
            _end_line(text or shown)
            return known | event.data
    _end_line(shown)
    raise CliError("the answer broke off", hint="the run goes on in the server; its text is in the conversation")


def tell_what_it_waits_for(data: Mapping[str, Any]) -> None:
    """Says on stderr which approvals a run waits for, and what to do about each."""
    for approval in data.get("approvals", ()):
        approval_id, tool = harmless(str(approval["approval_id"])), harmless(str(approval["tool"]))
        click.echo(style(f"The agent wants to call {tool}, which needs a person's approval.", "yellow"), err=True)
        click.echo(as_called(f"  read it:   kgents approvals show {approval_id}"), err=True)
        click.echo(as_called(f"  decide:    kgents approvals approve {approval_id}   (or reject)"), err=True)
    if run_id := data.get("run_id"):
        answer = as_called(f"kgents runs show {harmless(str(run_id))} --wait")
        click.echo(f"Then the run goes on by itself; its answer: {answer}", err=True)


def _end_line(text: str) -> None:
    if text and not text.endswith("\n"):
        click.echo()
