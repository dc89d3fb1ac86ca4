"""One server process: started, watched, started again when it dies, stopped.

Independent of the event loop's own child watchers (uvloop's, asyncio's): a plain Popen, its end seen through a
pidfd where there is one. The child dies with the *thread* that runs `start()`, so call it from a loop whose
thread lives as long as the servers shall.
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from platform_host.embedded.identity import ProcessIdentity, end_process
from platform_host.embedded.ports import choose_port
from platform_host.embedded.secret_file import private_folder, write_private

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)

State = Literal["stopped", "starting", "ready", "down"]
_LAUNCHER = Path(__file__).with_name("child.py")
_LOG_LIMIT = 16 * 1024 * 1024
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0


class EmbeddedStartError(Exception):
    """A server didn't start; the sentence says why, with the last lines that it logged."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to exec. `demote`: not as root. `own`: folders that it must own if it runs under another uid."""

    argv: Sequence[str]
    death_signal: signal.Signals
    demote: bool = False
    own: Sequence[Path] = ()


def spawn(command: Command, log: Path, stdin_text: str | None = None) -> subprocess.Popen[str]:
    """Start `command` in a session of its own, output appended to `log`, with nothing of our environment."""
    order = {
        "parent": os.getpid(),
        "death_signal": int(command.death_signal),
        "demote": command.demote,
        "own": [str(path) for path in command.own],
        "argv": list(command.argv),
    }
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_LAUNCHER), json.dumps(order)],
            stdin=subprocess.DEVNULL if stdin_text is None else subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
            start_new_session=True,
            text=True,
        )
    if stdin_text is not None and process.stdin is not None:
        with suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(stdin_text)
    return process


async def ended(process: subprocess.Popen[str]) -> int:
    """Wait for `process` and return its exit code (negative: the signal that ended it)."""
    if not hasattr(os, "pidfd_open"):
        while (code := process.poll()) is None:  # noqa: ASYNC110 - no event tells of it on this system
            await asyncio.sleep(0.05)
        return code
    if (code := process.poll()) is not None:
        return code
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    descriptor = os.pidfd_open(process.pid)
    loop.add_reader(descriptor, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return process.wait()


class SupervisedServer(ABC):
    """A server below one folder, which keeps its data, its log and `process.json` (port, pid, start mark)."""

    role: str = ""
    stop_signal: signal.Signals = signal.SIGTERM
    start_patience: float = 60.0
    stop_patience: float = 8.0

    def __init__(self, data_dir: Path, *, log_path: Path | None = None) -> None:
        self.folder = data_dir.absolute()
        self.log_path = log_path or self.folder / f"{self.role}.log"
        self.port = 0
        self.restarts = 0
        self.state: State = "stopped"
        self.last_error: str | None = None
        self._log_begin = 0
        self._process: subprocess.Popen[str] | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The running process's pid; None while there is none."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Reap what an earlier host left, start, and return when the server answers.

        Raises EmbeddedStartError when it doesn't within `start_patience` seconds, OSError for an unusable folder.
        """
        if self.state != "stopped":
            return
        self.state = "starting"
        try:
            private_folder(self.folder)
            self._limit_log()
            await self._reap()
            await self._prepare()
            self.port = choose_port(self._recorded_port())
            await self._launch()
        except BaseException:
            await self._end()
            self.state = "stopped"
            raise
        self.state = "ready"
        self._watch = asyncio.create_task(self._keep_running(), name=f"watch {self.role}")

    async def stop(self) -> None:
        """Stop for good: gently, and after `stop_patience` seconds not. Safe to call twice."""
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
            self._watch = None
        await self._end()
        self.state = "stopped"

    async def wait_exit(self) -> int:
        """Wait until the process that runs now ends (by `stop` or a crash); its exit code."""
        if self._process is None:
            return 0
        return await ended(self._process)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @abstractmethod
    async def _prepare(self) -> None:
        """Make what the first start needs; called again for each start."""

    @abstractmethod
    def _command(self) -> Command:
        """The server's command line on `self.port`."""

    @abstractmethod
    async def _answers(self) -> bool:
        """Whether it is ready for its clients."""

    async def _reap_more(self) -> None:  # noqa: B027 - most servers leave nothing more behind
        """End what else a dead server left behind; called before each start."""

    async def _launch(self) -> None:
        process = self._spawn(self._command())
        self._process = process
        identity = ProcessIdentity.of(process.pid)
        record = {"port": self.port, "pid": process.pid, "started": identity.started if identity else ""}
        write_private(self._record_path, json.dumps(record))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.start_patience
        while not await self._answers():
            if process.poll() is not None:
                self._process = None
                raise self._start_fault(f"{self.role} ended while starting")
            if loop.time() > deadline:
                raise self._start_fault(f"{self.role} wasn't ready after {self.start_patience:.0f} s")
            await asyncio.sleep(0.005)

    async def _keep_running(self) -> None:
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE
        while True:
            began = loop.time()
            if self._process is not None:
                code = await ended(self._process)
                self._process = None
                self.state = "down"
                self.last_error = f"ended with code {code}"
                logger.error("%s ended unexpectedly with code %d; starting it again", self.role, code)
            if loop.time() - began > 2 * _LONGEST_PAUSE:
                pause = _FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            await self._start_again()

    async def _start_again(self) -> None:
        self.restarts += 1
        try:
            await self._reap_more()
            await self._launch()
        except (EmbeddedStartError, OSError) as fault:
            self.last_error = str(fault)
            logger.error("%s did not start again: %s", self.role, fault)  # noqa: TRY400 - the sentence says it all
            await self._end()
            return
        self.state = "ready"
        logger.info("%s answers again on port %d (pid %s)", self.role, self.port, self.pid)

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for number in (self.stop_signal, signal.SIGKILL):
            process.send_signal(number)
            try:
                await asyncio.wait_for(ended(process), self.stop_patience)
            except TimeoutError:
                logger.warning("%s (pid %d) didn't stop on %s", self.role, process.pid, number.name)
                continue
            return

    async def _reap(self) -> None:
        record = self._record()
        pid, started = record.get("pid"), record.get("started")
        if isinstance(pid, int) and isinstance(started, str):
            left = ProcessIdentity(pid, started)
            if await end_process(left, self.stop_signal, self.stop_patience):
                logger.warning("ended %s (pid %d), left by an earlier host", self.role, pid)
        await self._reap_more()

    @property
    def _record_path(self) -> Path:
        return self.folder / "process.json"

    def _record(self) -> dict[str, object]:
        try:
            found = json.loads(self._record_path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _recorded_port(self) -> int | None:
        port = self._record().get("port")
        return port if isinstance(port, int) and 0 < port < 65536 else None

    def _limit_log(self) -> None:
        if self.log_path.exists() and self.log_path.stat().st_size > _LOG_LIMIT:
            self.log_path.replace(self.log_path.with_suffix(".log.1"))

    def _spawn(self, command: Command) -> subprocess.Popen[str]:
        self._log_begin = self.log_path.stat().st_size if self.log_path.exists() else 0
        return spawn(command, self.log_path)

    def _start_fault(self, what: str) -> EmbeddedStartError:
        """`what` went wrong, and why: the last lines of the process that was started last, or the sentence for them."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(self._log_begin)
                lines = log.read().decode(errors="replace").strip().splitlines()
        except OSError:
            return EmbeddedStartError(f"{what}: nothing in {self.log_path}")
        if any(os.strerror(errno.ENOSPC) in line for line in lines):
            return EmbeddedStartError(
                f"the disk is full; free some space and start again ({what}; see {self.log_path})"
            )
        return EmbeddedStartError(f"{what}: {' | '.join(lines[-3:])} (see {self.log_path})")
