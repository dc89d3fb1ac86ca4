"""`kgents server start|stop|status|logs`."""

import os
import sys
import time
from collections import deque
from typing import TextIO

import click

from kgents_cli.faults import CliError
from kgents_cli.home import Home


@click.group()
def command() -> None:
    """Start, stop and look at a server in the background.

    \b
    Examples:
      kgents server start
      kgents server status --json
      kgents server logs --follow
      kgents server stop
    """


@command.command()
def start() -> None:
    """Start the platform in the background and wait until it is healthy.

    It writes its log to $KGENTS_HOME/logs/server.log. A server that runs already is left as it is.

    \b
    Examples:
      kgents server start
      KGENTS_PORT=9000 KGENTS_HOME=/tmp/other kgents server start
    """
    from kgents_cli.background import start_server

    begun = time.monotonic()
    started = start_server(Home.from_environment())
    server = started.server
    if started.process is not None:
        click.echo(f"Kgents is running at {server.url} (process {server.pid}, {time.monotonic() - begun:.1f} s)")
    else:
        click.echo(f"Kgents is already running at {server.url} (process {server.pid})")


@command.command()
@click.option(
    "--timeout", default=30.0, show_default=True, help="Seconds to wait before the server is killed.", metavar="SECONDS"
)
def stop(timeout: float) -> None:
    """Stop the server and everything that it started.

    \b
    Examples:
      kgents server stop
      kgents server stop --timeout 5
    """
    from kgents_cli.background import stop_server

    server = stop_server(Home.from_environment(), timeout)
    click.echo(f"Kgents is stopped (process {server.pid})")


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(as_json: bool) -> int:
    """Say whether the server runs, and name each of its processes. Exit code 3 if it does not run.

    \b
    Examples:
      kgents server status
      kgents server status --json | python3 -m json.tool
    """
    from kgents_cli.server_status import print_status

    return print_status(as_json=as_json)


@command.command()
@click.option("--follow", "-f", is_flag=True, help="Go on printing as the server writes; Ctrl-C ends it.")
@click.option("--lines", "-n", default=100, show_default=True, help="How many of the last lines to print.")
def logs(follow: bool, lines: int) -> None:
    """Print the server's own log.

    \b
    Examples:
      kgents server logs
      kgents server logs --follow -n 20
    """
    log = Home.from_environment().server_log
    try:
        with log.open(encoding="utf-8", errors="replace") as file:
            for line in deque(file, maxlen=max(lines, 0)):
                click.echo(line, nl=False)
            while follow:
                _print_new(file)
                if log.stat().st_ino != os.fstat(file.fileno()).st_ino:
                    return
    except FileNotFoundError as fault:
        raise CliError(f"there is no log at {log} yet", hint="start a server with: kgents server start") from fault
    except OSError as fault:
        raise CliError(f"{log} can't be read: {fault.strerror}", hint="run this as the server's user") from fault


def _print_new(file: TextIO) -> None:
    text = file.read()
    if text:
        click.echo(text, nl=False)
        sys.stdout.flush()
    else:
        time.sleep(0.2)
