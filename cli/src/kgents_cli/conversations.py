"""Conversations over the API, and as lines for people."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from kgents_cli.client import ApiClient, agent_path, path_below, plain_key
from kgents_cli.faults import CliError
from kgents_cli.listing import show_list
from kgents_cli.secret_input import confirmed
from kgents_cli.tables import counted, day
from kgents_cli.terminal import harmless, style

_PATH: Final = "/conversations"
_SPEAKERS: Final = {"user": "you", "assistant": "agent", "tool": "tool"}


def list_conversations(agent: str | None, *, as_json: bool) -> None:
    """What `kgents conversations list` prints."""
    show_list(
        _PATH if agent is None else agent_path(agent, "conversations"),
        {
            "id": lambda one: one["id"],
            "agent": lambda one: one["agent"],
            "version": lambda one: one["lane"],
            "began": lambda one: day(one["created_at"]),
            "asked by": lambda one: one.get("asked_by", "person"),
        },
        none_yet='No conversations yet. Begin one with: kgents message AGENT "Hello"',
        as_json=as_json,
    )


def show_conversation(conversation: str, *, as_json: bool) -> None:
    """What `kgents conversations show` prints."""
    with ApiClient() as api:
        messages = list(api.pages(path_below(_PATH, conversation, "messages")))
    if as_json:
        click.echo(json.dumps(messages))
        return
    if not messages:
        click.echo("Nothing stands in this conversation: what a failed run was asked is left out.", err=True)
    _print_messages(messages)


def show_context(conversation: str, *, as_json: bool) -> None:
    """What `kgents conversations context` prints."""
    with ApiClient() as api:
        found = api.call("GET", path_below(_PATH, conversation, "context"))
    if as_json:
        click.echo(json.dumps(found))
        return
    window = f" of {found['window_tokens']}" if found["window_tokens"] is not None else ""
    shown = counted(len(found["messages"]), "message")
    click.echo(harmless(f"{found['agent']}: about {found['tokens']}{window} tokens, {shown}"))
    for fact in found["facts"]:
        where = " (in all conversations that share)" if fact["shared"] else ""
        click.echo(harmless(f"pinned   {fact['key']}: {fact['text']}{where}"))
    for other in found["elsewhere"]:
        click.echo(harmless(f"elsewhere, with {other['agent']}: {other['summary']}"))
    if found["summary"] is not None:
        click.echo(harmless(f"summary  {found['summary']}"))
    if found["gap"]:
        click.echo("Some earlier messages are neither shown nor summarised.")
    _print_messages(found["messages"])


def pin_fact(conversation: str, key: str, text: str) -> None:
    """Pin a fact."""
    with ApiClient() as api:
        pinned = api.call("PUT", path_below(_PATH, conversation, "facts", plain_key(key)), body={"text": text})
    where = "all conversations that share what is remembered" if pinned["shared"] else "this conversation"
    click.echo(harmless(f"{key} is pinned in {where}."))


def unpin_fact(conversation: str, key: str) -> None:
    """Take a fact away."""
    with ApiClient() as api:
        api.call("DELETE", path_below(_PATH, conversation, "facts", plain_key(key)))
    click.echo(harmless(f"{key} is pinned no more."))


def reset_conversation(conversation: str) -> None:
    """Clear the context."""
    with ApiClient() as api:
        api.call("POST", path_below(_PATH, conversation, "reset"))
    click.echo("The context is cleared: the model is shown nothing of what was said before.")


def delete_conversation(conversation: str, *, yes: bool) -> None:
    """Delete one, once somebody has said yes."""
    question = f"Delete the conversation {conversation} with all that was said in it? This can't be undone"
    if not yes and not confirmed(question, f"kgents conversations delete {conversation} --yes"):
        raise CliError("nothing was deleted")
    with ApiClient() as api:
        api.call("DELETE", path_below(_PATH, conversation))
    click.echo("The conversation is deleted.")


def _print_messages(messages: Sequence[Mapping[str, Any]]) -> None:
    for message in messages:
        speaker = _SPEAKERS.get(message["role"], message["role"])
        click.echo(f"{style(f'{speaker}:', 'dim')} {harmless(message['text'])}".rstrip(), nl=False)
        if images := message.get("images"):
            click.echo(harmless(f"\n  with {', '.join(map(str, images))}"), nl=False)
        for call in message.get("tool_calls") or ():
            click.echo(harmless(f"\n  calls {call['name']} {json.dumps(call['arguments'])}"), nl=False)
        click.echo()
