"""The whole job in one command: a server of its own, an agent, a conversation, a crash, the conversation again."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from kgents_cli.background import start_server, stop_server
from kgents_cli.client import ApiClient
from kgents_cli.faults import ApiFault, CliError, NotRunning
from kgents_cli.home import Home
from kgents_cli.model_accounts import default_account
from kgents_cli.processes import RunningServer, ServerProcess, find_server, start_mark
from kgents_cli.publishing import create_or_update, publish
from kgents_cli.terminal import progress, style

_AGENT = """\
name = "my-agent"
system_prompt = "You are a friendly assistant. Answer in one sentence."
"""
_ANSWER_AGAIN_S = 30.0
# What the kernel kills together with the host may take a moment to be gone.
_GONE_S = 5.0


def run_demo() -> None:
    """Shows the job step by step; everything is stopped and removed at the end, however it ends.

    Raises:
        CliError: a step failed; the message says which.
    """
    folder = Path(tempfile.mkdtemp(prefix="kgents-"))
    demo = Demo(Home(folder / "home"))
    try:
        demo.start()
        demo.talk()
    finally:
        with _undisturbed():
            try:
                demo.stop()
            finally:
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _undisturbed() -> Generator[None]:
    """Ctrl-C and SIGTERM wait for the end of this: interrupted, it would leave the server running."""
    held = {signal.SIGINT, signal.SIGTERM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Demo:
    """One showing, in a home and on a port of its own: a server that runs already is not touched."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._begun = time.monotonic()
        self._step = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the server."""
        self._say("A server: PostgreSQL, NATS, seven services and a fork server, on a free port")
        begun = time.monotonic()
        started = start_server(self._home, {"KGENTS_PORT": "0", "KGENTS_BIND": "127.0.0.1"})
        self._process, server = started.process, started.server
        self._tell(
            f"healthy at {server.url} after {time.monotonic() - begun:.1f} s; everything lies in {self._home.path}"
        )

    def talk(self) -> None:
        """Makes the agent, talks to it, kills it, talks on."""
        with ApiClient(self._home, env={}) as api:
            self._say("An agent from a TOML file, published: it runs in a sandbox of its own")
            for line in _AGENT.splitlines():
                self._tell(line)
            create_or_update(api, _AGENT.encode(), "my-agent.toml")
            begun = time.monotonic()
            publish(api, "my-agent", 60)
            self._tell(f"version 1 is ready {time.monotonic() - begun:.2f} s after publishing; {_provider(os.environ)}")
            self._say("A message")
            first = self._ask(api, "Hello, my name is Ada.", None)
            worker = self._show_processes()
            self._say(f"kill -9 {worker.pid}: the worker is gone in the middle of the conversation")
            os.kill(worker.pid, signal.SIGKILL)
            begun = time.monotonic()
            self._ask(api, "What did I just tell you?", str(first["conversation_id"]))
            self._tell(f"a new worker answered {time.monotonic() - begun:.2f} s after the kill")
            self._say("The conversation, as PostgreSQL has it")
            for item in api.pages(f"/conversations/{first['conversation_id']}/messages"):
                self._tell(f"{item['role']:10} {item['text']}")

    def stop(self) -> None:
        """Stops the server and sees that nothing is left."""
        server = find_server(self._home)
        if server is None:
            return
        marks = {process: start_mark(process.pid) for process in server.processes}
        try:
            self._say("The end: everything stops")
        finally:
            # Also where nobody reads on (`kgents demo | head`), which fails every line that is written.
            self._stop_server()
        deadline = time.monotonic() + _GONE_S
        while left := [process for process, mark in marks.items() if mark and start_mark(process.pid) == mark]:
            if time.monotonic() > deadline:
                named = ", ".join(f"{process.role} {process.pid}" for process in left)
                raise CliError(f"processes are left behind: {named}", hint="please report this")
            time.sleep(0.05)
        self._tell(f"no process is left; the demo took {time.monotonic() - self._begun:.1f} s")

    def _stop_server(self) -> None:
        try:
            stop_server(self._home)
        except NotRunning:
            return
        finally:
            if self._process is not None:
                self._process.wait()

    def _ask(self, api: ApiClient, text: str, conversation: str | None) -> dict[str, Any]:
        """Sends a message; while the worker is being replaced the server says 503, and this asks again."""
        self._tell(f"you        {text}")
        body = {"text": text} | ({"conversation_id": conversation} if conversation else {})
        deadline = time.monotonic() + _ANSWER_AGAIN_S
        with progress("waiting for the answer"):
            while True:
                try:
                    answer: dict[str, Any] = api.call("POST", "/agents/my-agent/message", body=body)
                    break
                except ApiFault as fault:
                    if fault.status != 503 or time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)
        self._tell(f"my-agent   {answer['text']}")
        return answer

    def _show_processes(self) -> ServerProcess:
        self._say("What runs (kgents server status)")
        server = _running(self._home)
        for process in server.processes:
            agent = f" {process.agent}" if process.agent else ""
            self._tell(f"{process.role + agent:20} process {process.pid:<8} {process.state}")
        worker = next((process for process in server.processes if process.role == "worker"), None)
        if worker is None:
            raise CliError("no worker runs for the agent", hint="see what this machine offers: kgents doctor")
        for line in walls(worker.pid):
            self._tell(line)
        return worker

    def _say(self, text: str) -> None:
        self._step += 1
        click.echo(f"\n{style(f'{self._step}.', 'cyan', sys.stdout)} {style(text, 'bold', sys.stdout)}")

    def _tell(self, text: str) -> None:
        first, *rest = text.splitlines() or [""]
        click.echo("\n".join([f"   {first}", *(f"   {'':10} {line}" for line in rest)]))
        sys.stdout.flush()


def _running(home: Home) -> RunningServer:
    server = find_server(home)
    if server is None:
        raise CliError("the server ended in the middle of the demo", hint=f"its last words are in {home.server_log}")
    return server


def _provider(env: Mapping[str, str]) -> str:
    if (account := default_account(env)) is not None:
        return f"its model is behind {account}"
    return "without a model's key (OPENAI_API_KEY) the built-in echo answers, which is no language model"


def walls(pid: int) -> list[str]:
    """What the kernel says of the walls around a process, in sentences; only what it lets this user read."""
    found: list[str] = []
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return found
    status = {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
    if status.get("Seccomp") == "2":
        found.append("its system calls are filtered (seccomp), and it can't gain rights (no_new_privs)")
    if status.get("CapEff", "1").strip("0") == "":
        found.append("it has no capability")
    try:
        if Path(f"/proc/{pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink():
            found.append("its network namespace is its own: no address but its socket to the platform")
    except OSError:
        return found
    return found
