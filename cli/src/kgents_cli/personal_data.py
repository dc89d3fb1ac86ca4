"""Taking along what the platform keeps of the one who asks, and having it erased."""

import json
import sys
from contextlib import nullcontext
from pathlib import Path

import click

from kgents_cli.client import ApiClient
from kgents_cli.faults import BadInput, CliError
from kgents_cli.tables import counted
from kgents_cli.terminal import harmless


def export_mine(out: str) -> None:
    """Write the lines of JSON as they come.

    Raises:
        CliError: they are not complete; what came stays written.
    """
    rows, newest = 0, "{}"
    with (
        ApiClient() as api,
        nullcontext(sys.stdout) if out == "-" else Path(out).open("w", encoding="utf-8") as file,
        api.lines("/users/me/data") as lines,
    ):
        for line in lines:
            file.write(f"{line}\n")
            rows, newest = rows + 1, line
    told = json.loads(newest)
    if told.get("complete") is not True:
        missing = ", ".join(told.get("missing") or ["the end of it"])
        raise CliError(harmless(f"it is not complete: {missing} could not be had"), hint="try again in a moment")
    click.echo(f"{counted(rows - 1, 'row')} written.", err=True)


def erase_me(confirm: str | None) -> None:
    """Have it erased, once the address was typed.

    Raises:
        BadInput: nobody is there to type it.
    """
    with ApiClient() as api:
        me = api.call("GET", "/users/me")
        if confirm is None:
            click.echo("Everything that the platform keeps of you will be erased: agents, conversations,", err=True)
            click.echo("memories, credentials, keys, your account. This can't be undone.", err=True)
            confirm = _typed(str(me["email"]))
        begun = api.call("POST", "/users/me/erasure", body={"confirm": confirm})
    click.echo(f"Your account is closed, and what is kept of you is being erased ({begun['erasure_id']}).")


def _typed(address: str) -> str:
    try:
        return str(click.prompt(harmless(f"Type your address ({address}) to go on"), err=True))
    except click.Abort:
        if sys.stdin.isatty():
            raise
        click.echo(err=True)
        raise BadInput("nobody answers here", hint="kgents users erase --confirm ADDRESS") from None
