"""`kgents dev` at a terminal: what it says, and how it ends."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from kgents_cli.client import ApiClient
from kgents_cli.hot_reload.development import Development
from kgents_cli.hot_reload.outcomes import Outcome
from kgents_cli.hot_reload.reloader import Reloader
from kgents_cli.hot_reload.sources import Sources
from kgents_cli.terminal import harmless


def develop(paths: Sequence[Path], *, organisation: str | None, timeout_s: float, as_json: bool) -> None:
    """Watch the files until Ctrl-C, and print how each reload went."""
    sources = Sources.named(paths)

    def tell(outcome: Outcome) -> None:
        now = datetime.now().astimezone()
        for line in [outcome.as_json(now)] if as_json else outcome.as_lines(now):
            click.echo(line)

    def note(sentence: str) -> None:
        click.echo(harmless(sentence), err=True)

    with ApiClient() as api:
        if organisation is not None:
            # Told now, rather than of every file whenever it is saved.
            api.call("GET", "/agents", params={"organisation": organisation, "limit": 1})
        note(f"Watching {', '.join(map(str, paths))}; Ctrl-C ends it.")
        try:
            Development(sources, Reloader(api, organisation, timeout_s), tell, note).run()
        except KeyboardInterrupt:
            note("No longer watching; the agents go on as they are.")
