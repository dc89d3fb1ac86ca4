"""Talking to an agent: the answer streams to stdout, everything about it goes to stderr."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from kgents_cli.client import ApiClient, ServerEvent, agent_path
from kgents_cli.faults import BadInput, CliError, as_called
from kgents_cli.problems import problem_error
from kgents_cli.terminal import harmless, style

# A run may last as long as the agent's own limit allows, which is an hour at most.
LONGEST_RUN_S = 3700.0


@dataclass(frozen=True, slots=True)
class Sent:
    """A message as it was given on the command line: the text or `-`, the conversation it goes on with, pictures."""

    text: str
    conversation: str | None = None
    images: Sequence[Path] = ()

    def body(self) -> dict[str, Any]:
        """What the API takes. Raises `BadInput`."""
        if self.conversation is not None and not self.conversation.strip():
            hint = "name a conversation, or leave --conversation out to begin one"
            raise BadInput("--conversation is empty", hint=hint)
        body: dict[str, Any] = {"text": readable_message(self.text)}
        if self.conversation is not None:
            body["conversation_id"] = self.conversation
        if self.images:
            from kgents_cli.pictures import read_pictures

            body["images"] = read_pictures(self.images)
        return body


def send_message(agent: str, sent: Sent, *, go_on: bool, as_json: bool) -> None:
    """What `kgents message` does. `go_on` takes the caller's newest conversation with the agent."""
    body = sent.body()
    if sent.conversation is not None and go_on:
        raise BadInput("--conversation and --continue say different things", hint="give one of them")
    with ApiClient() as api:
        if go_on:
            body["conversation_id"] = _newest_conversation(api, agent)
        if as_json:
            click.echo(json.dumps(api.call("POST", agent_path(agent, "message"), body=body, timeout_s=LONGEST_RUN_S)))
            return
        with api.stream(agent_path(agent, "message"), body) as events:
            result = print_answer(events)
    if sys.stderr.isatty() and (identifier := result.get("conversation_id")):
        click.echo(style(f"(go on with: --conversation {harmless(str(identifier))})", "dim"), err=True)


def begin_run(agent: str, sent: Sent, *, terms: Mapping[str, Any], as_json: bool) -> None:
    """What `kgents message --background` does: the run's id to stdout, what to do with it to stderr."""
    body = {**sent.body(), **terms}
    with ApiClient() as api:
        begun = api.call("POST", agent_path(agent, "runs"), body=body)
    if as_json:
        click.echo(json.dumps(begun))
        return
    run_id = harmless(str(begun["run_id"]))
    click.echo(run_id)
    click.echo(as_called(f"The run is {begun['status']}. Watch it: kgents runs watch {run_id}"), err=True)
    click.echo(as_called(f"Its answer, once it has ended: kgents runs show {run_id} --wait"), err=True)


def _newest_conversation(api: ApiClient, agent: str) -> str:
    name, at, lane = agent.partition("@")
    pages = api.pages(agent_path(name, "conversations"), {"limit": 50})
    # Those of replays and of other agents aren't the caller's to go on with unawares.
    mine = (found for found in pages if found.get("asked_by", "person") == "person")
    newest = next((found for found in mine if not at or found["lane"] == lane), None)
    if newest is None:
        raise BadInput(f"there is no conversation with {agent} yet", hint="leave --continue out to begin one")
    return str(newest["id"])


def readable_message(text: str) -> str:
    """The text, or standard input where it is `-`.

    Raises:
        BadInput: it is empty, or not UTF-8, which Python shows by lone surrogates.
    """
    try:
        text = sys.stdin.read() if text == "-" else text
        text.encode()
    except UnicodeError as fault:
        raise BadInput("the message is not UTF-8 text", hint="convert it: iconv -t UTF-8") from fault
    if not text.strip():
        raise BadInput(
            "the message is empty", hint='write it in quotes, such as "Hello", or give - to read standard input'
        )
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
        known |= {key: event.data[key] for key in ("run_id", "conversation_id", "agent") if key in event.data}
        if event.name in ("failed", "cancelled"):
            end_line(shown)
            raise problem_error(int(event.data.get("status") or 500), event.data)
        if event.name == "reset":
            # The model call is made again from its start: what it had said so far doesn't count.
            end_line(shown)
            click.echo(style("(the model is asked again)", "dim"), err=True)
            shown = ""
        elif event.name == "delta":
            shown += str(event.data.get("text", ""))
            click.echo(harmless(str(event.data.get("text", ""))), nl=False)
            sys.stdout.flush()
        elif event.name == "waiting_approval":
            end_line(shown)
            tell_what_it_waits_for(event.data)
            return known | event.data
        elif event.name == "completed":
            text = str(event.data.get("text", ""))
            click.echo(harmless(text.removeprefix(shown) if text.startswith(shown) else text), nl=False)
            end_line(text or shown)
            return known | event.data
    end_line(shown)
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


def end_line(text: str) -> None:
    """End the line that a text left open."""
    if text and not text.endswith("\n"):
        click.echo()
