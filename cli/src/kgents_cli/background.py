"""A server in the background: started, waited for, stopped."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from kgents_cli.faults import CliError, NotRunning
from kgents_cli.home import Home
from kgents_cli.processes import RunningServer, find_server, start_mark
from kgents_cli.terminal import progress, style

START_PATIENCE_S = 120.0
STOP_PATIENCE_S = 30.0
_POLL_S = 0.05


def is_healthy(url: str) -> bool:
    """Whether `GET /health` answers 200."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 80, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class StartedServer:
    """A server that is healthy. `process` is None if it ran already; whoever lives on after it must wait for it."""

    server: RunningServer
    process: subprocess.Popen[bytes] | None


def start_server(home: Home, settings: Mapping[str, str] | None = None) -> StartedServer:
    """Starts `kgents up` in a session of its own and waits until it is healthy.

    `settings` override the environment that it gets.

    Raises:
        CliError: it ended or did not become healthy; the message is the reason that it logged.
    """
    running = find_server(home)
    if running is not None and running.url is not None and is_healthy(running.url):
        return StartedServer(running, None)
    log = home.server_log
    try:
        home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        log.parent.mkdir(mode=0o700, exist_ok=True)
        output = log.open("ab")
    except OSError as fault:
        raise CliError(
            f"{home.path} can't be used: {fault.strerror}",
            hint="give this user the right to write there, or set KGENTS_HOME to another folder",
        ) from fault
    with output:
        already = output.tell()
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "kgents_cli", "up"], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            cwd="/", start_new_session=True, env=os.environ | {"KGENTS_HOME": str(home.path)} | dict(settings or {}),
        )  # fmt: skip
    try:
        return StartedServer(_wait_until_healthy(home, child, log, already), child)
    except BaseException:
        # Whoever gives up waiting, with Ctrl-C too, leaves no server behind that nobody asked for.
        child.terminate()
        child.wait()
        raise


def _wait_until_healthy(home: Home, child: subprocess.Popen[bytes], log: Path, already: int) -> RunningServer:
    deadline = time.monotonic() + START_PATIENCE_S
    with progress("starting the server (the first start makes its database)"):
        while time.monotonic() < deadline:
            server = find_server(home)
            if server is not None and server.url is not None and is_healthy(server.url):
                return server
            code = child.poll()
            # If another start was quicker, that one's server is waited for.
            if code is not None and (server is None or server.pid == child.pid):
                raise _start_fault(log, already, code)
            time.sleep(_POLL_S)
    raise CliError(
        f"the server was not healthy after {START_PATIENCE_S:.0f} s",
        hint=f"see why: {log}",
        lines=_last_lines(log, already),
    )


def _start_fault(log: Path, already: int, code: int) -> CliError:
    """The sentences that the host told (each behind `kgents: `), or else its last line."""
    lines = _last_lines(log, already, count=50)
    told = [line.removeprefix("kgents: ") for line in lines if line.startswith("kgents: ")] or lines[-1:]
    first, *rest = told or [f"the server ended with code {code} and logged nothing"]
    return CliError(first, lines=rest, hint=f"the whole log: {log}", exit_code=code if code in (1, 2) else 1)


def _last_lines(log: Path, already: int, count: int = 5) -> list[str]:
    try:
        with log.open("rb") as file:
            file.seek(already)
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()][-count:]


def stop_server(home: Home, patience_s: float = STOP_PATIENCE_S) -> RunningServer:
    """SIGTERM, wait, and SIGKILL with a warning if it has not ended by then. Returns what was stopped.

    Raises:
        NotRunning: there was nothing to stop.
        CliError: it belongs to another user.
    """
    server = find_server(home)
    if server is None:
        raise NotRunning(f"no server is running for {home.path}")
    try:
        _signal(server, signal.SIGTERM)
        with progress(f"stopping the server (process {server.pid})"):
            if _gone(server, patience_s):
                return server
        print(
            f"{style('warning:', 'yellow')} the server did not stop within {patience_s:.0f} s; killing it "
            "(what it had acknowledged is stored)",
            file=sys.stderr,
        )
        _signal(server, signal.SIGKILL)
    except PermissionError as fault:
        raise CliError(f"process {server.pid} belongs to another user", hint="stop it as that user") from fault
    _gone(server, 10)
    return server


def _signal(server: RunningServer, number: signal.Signals) -> None:
    if start_mark(server.pid) == server.mark:
        try:
            os.kill(server.pid, number)
        except ProcessLookupError:
            return


def _gone(server: RunningServer, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while start_mark(server.pid) == server.mark:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True
