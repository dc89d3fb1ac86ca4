"""Secrets come from a prompt or from standard input: arguments are seen in `ps` and kept in histories."""

import sys

import click

from kgents_cli.faults import BadInput


def ask_secret(what: str, *, confirm: bool = False) -> str:
    """The secret that a person types unseen (twice with `confirm`), or what stands on standard input.

    Raises:
        BadInput: there is none.
    """
    if sys.stdin.isatty():
        return str(click.prompt(what, hide_input=True, confirmation_prompt=confirm, err=True))
    given = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    if not given:
        raise BadInput(f"no {what.lower()} came in", hint="type it at the prompt, or send it: … < FILE")
    return given


def confirmed(question: str, command: str) -> bool:
    """Whether the person says yes.

    Raises:
        BadInput: nobody is there to ask; `command` is what asks nothing.
    """
    try:
        return click.confirm(question, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        click.echo(err=True)
        raise BadInput("nobody answers here", hint=f"to go on without being asked: {command}") from None
