"""`kgents up`."""

import os
import sys

import click


@click.command()
def command() -> None:
    """Run the platform in the foreground; Ctrl-C stops everything.

    Settings come from $KGENTS_HOME/config.toml, overridden by the environment.

    \b
    Examples:
      kgents up
      KGENTS_PORT=9000 KGENTS_HOME=/tmp/other kgents up
      OPENAI_API_KEY=sk-… kgents up
    """
    sys.stdout.flush()
    # The host takes over this very process: signals, exit code and pid are its own.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "platform_host", "up"])  # noqa: S606
