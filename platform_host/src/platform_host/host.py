"""The host: PostgreSQL, NATS and every service in one process behind one address, started and stopped in order.

Start: lock → sockets → leftovers → PostgreSQL ∥ NATS ∥ imports → roles and schemas → migrations → settings →
lifespans → private listener and door → public listener. Stop is the reverse, except that the services' own listeners
stay until their lifespans are closed: a worker that drains still has a door.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import socket
import time
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

import setproctitle
import structlog
import uvloop

from platform_host.embedded.identity import ProcessIdentity
from platform_host.embedded.ports import LOOPBACK, choose_port
from platform_host.embedded.secret_file import private_folder
from platform_host.faults import first_fault, sentences
from platform_host.health_board import HealthBoard
from platform_host.infrastructure import Infrastructure
from platform_host.instance import InstanceLock
from platform_host.log_files import host_logging
from platform_host.process_table import HostRecord, ProcessRow, end_left_over, process_row, recorded_rows
from platform_host.sockets import bind_tcp, socket_folder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from platform_host.composition import Composer, Composition
    from platform_host.config import HostSettings

_OPEN_FILES = 65_536
_log = structlog.get_logger("kgents.host")
# `kgents server stop` kills after 30 s: what is slow to close must leave the servers their time to end in order.
# A message makes some thousand objects that know of others, and nearly all end with their last reference: looking
# through the young ones after every 700, as by default, cost a twentieth of the host's CPU.
_GC_THRESHOLDS = (10_000, 10, 10)
_CLOSING_S = 15.0
_LEAST_PATIENCE_S = 1.0
_SERVERS_PATIENCE_S = 12.0


class Host:
    """One run of the platform. `run()` returns when it was told to stop and everything has stopped."""

    def __init__(self, settings: HostSettings) -> None:
        self._settings = settings
        self._paths = settings.paths
        self._stop_asked = asyncio.Event()
        self._board = HealthBoard(version("platform-host"))
        self._record = HostRecord(self._paths.run / "host.json", self.processes)
        self._infrastructure = Infrastructure(settings)
        self._composition: Composition | None = None
        self._steps: list[tuple[str, Callable[[], Awaitable[None]]]] = []
        self._background: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Start, serve until SIGTERM or SIGINT, stop.

        Raises AlreadyRunningError, ConfigError, PortTakenError, EmbeddedStartError, ServiceStartError, psycopg.Error
        or OSError when it can't start; what was started is stopped again.
        """
        began = time.monotonic()
        self._paths.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        private_folder(self._paths.logs)
        with ExitStack() as held:
            held.enter_context(InstanceLock(self._paths.run, self._paths.home))
            held.enter_context(socket_folder(self._paths))
            held.enter_context(host_logging(self._settings))
            public = held.enter_context(bind_tcp(self._settings.bind, self._settings.port))
            private = held.enter_context(self._bind_private())
            self._catch_signals()
            _log.info("host_starting", home=str(self._paths.home), pid=os.getpid())
            try:
                if await self._unless_stopped(self._start(public, private)):
                    _log.info("host_ready", url=self.url(public), seconds=round(time.monotonic() - began, 2))
                    await self._stop_asked.wait()
            except Exception as error:
                if sentences(first_fault(error)) is None:
                    _log.exception("host_failed")
                raise
            finally:
                await self._stop()

    def processes(self) -> list[ProcessRow]:
        """Every process of this host: role, pid, agent, state."""
        rows = [process_row("host", os.getpid(), self._board.phase), *self._infrastructure.processes()]
        if self._composition is not None:
            rows += self._composition.processes()
        return [row for row in rows if row is not None]

    def url(self, public: socket.socket) -> str:
        """Where a person on this machine reaches the host."""
        address, port = public.getsockname()[:2]
        shown = {"0.0.0.0": LOOPBACK, "::": "[::1]"}.get(address, f"[{address}]" if ":" in address else address)  # noqa: S104
        return f"http://{shown}:{port}"

    def _bind_private(self) -> socket.socket:
        kept = self._paths.run / "private.port"
        try:
            before = int(kept.read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            before = None
        listening = bind_tcp(LOOPBACK, choose_port(before))
        kept.write_text(str(listening.getsockname()[1]), encoding="ascii")
        return listening

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._ask_to_stop, number.name)

    def _ask_to_stop(self, why: str) -> None:
        _log.info("stop_asked", signal=why)
        self._stop_asked.set()

    async def _unless_stopped(self, start: Awaitable[None]) -> bool:
        """Run `start`; False where the host was told to stop before it was done."""
        starting = asyncio.ensure_future(start)
        stopping = asyncio.ensure_future(self._stop_asked.wait())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if starting.done():
            starting.result()
            return True
        starting.cancel()
        with suppress(asyncio.CancelledError):
            await starting
        return False

    async def _start(self, public: socket.socket, private: socket.socket) -> None:
        record = self._paths.run / "host.json"
        for row in await end_left_over(recorded_rows(record)):
            _log.warning("leftover_ended", role=row.role, pid=row.pid, agent=row.agent)
        self._write_record(public, private)
        self._steps.append(("infrastructure", self._infrastructure.stop))
        self._infrastructure.watch(self._board)
        loading = asyncio.ensure_future(asyncio.to_thread(_load_composer))
        await self._infrastructure.start()
        composer = await loading
        composition = await composer.compose(
            self._settings,
            self._infrastructure,
            issuer=self._settings.issuer or f"http://localhost:{public.getsockname()[1]}",
            private_url=f"http://{LOOPBACK}:{private.getsockname()[1]}",
        )
        self._composition = composition
        self._steps += composition.closing_steps()
        await composition.open(self._board)
        await self._listen(composition, public, private)
        await self._board.probe()
        self._board.phase = "ready"
        self._write_record(public, private)
        self._background = [
            asyncio.create_task(self._board.run(), name="health"),
            asyncio.create_task(self._record.keep(), name="host.json"),
        ]
        gc.freeze()  # what stands now stays: the collector needn't walk it on every pass
        gc.set_threshold(*_GC_THRESHOLDS)
        gc.enable()

    async def _listen(self, composition: Composition, public: socket.socket, private: socket.socket) -> None:
        inner = (composition.private_listener(self._board, private), composition.door_listener(self._paths.door))

        async def stop_inner() -> None:
            await asyncio.gather(*(listener.stop() for listener in inner))

        # Before the services in the list, hence after them when the list is walked backwards.
        self._steps.insert(1, ("private listener and door", stop_inner))
        await asyncio.gather(*(listener.start() for listener in inner))
        outer = composition.public_listener(self._board, public)
        await outer.start()
        self._steps += [("public listener", outer.stop), ("streams", composition.end_streams)]

    def _write_record(self, public: socket.socket, private: socket.socket) -> None:
        own = ProcessIdentity.of(os.getpid())
        self._record.facts = {
            "pid": os.getpid(),
            "started": own.started if own else "",
            "started_at": self._record.facts.get("started_at", datetime.now(UTC).isoformat(timespec="milliseconds")),
            "state": self._board.phase,
            "version": version("platform-host"),
            "home": str(self._paths.home),
            "url": self.url(public),
            "private_url": f"http://{LOOPBACK}:{private.getsockname()[1]}",
            "door": str(self._paths.door),
            "ports": self._infrastructure.ports() | {"public": public.getsockname()[1]},
        }
        self._record.write()

    async def _stop(self) -> None:
        began = time.monotonic()
        self._board.phase = "stopping"
        self._record.facts |= {"state": "stopping"}
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        if self._record.facts:
            self._record.write()
        while self._steps:
            name, stop = self._steps.pop()
            left = began + _CLOSING_S - time.monotonic()
            await self._step(name, stop, max(_LEAST_PATIENCE_S, left) if self._steps else _SERVERS_PATIENCE_S)
        self._record.remove()
        _log.info("host_stopped", seconds=round(time.monotonic() - began, 2))

    async def _step(self, name: str, stop: Callable[[], Awaitable[None]], patience_s: float) -> None:
        """One step of the shutdown: within its time, and whatever it raises, the next ones follow."""
        began = time.monotonic()
        try:
            await asyncio.wait_for(stop(), patience_s)
        except Exception as error:  # noqa: BLE001 - the parts below must be stopped all the same
            _log.warning("stop_failed", part=name, error=repr(error))
        else:
            _log.info("stopped", part=name, seconds=round(time.monotonic() - began, 2))


def _load_composer() -> Composer:
    from platform_host.composition import Composer  # noqa: PLC0415 - a second of imports, hence in a thread

    return Composer()


def run_host(settings: HostSettings) -> None:
    """Run a host in this process, on uvloop, until it is told to stop. Raises what `Host.run` raises."""
    setproctitle.setproctitle("kgents: host")
    _raise_open_files()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(settings))


def _raise_open_files() -> None:
    """More descriptors, where the system lets us: each connection takes one, and the usual 1,024 are soon gone."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _run(settings: HostSettings) -> None:
    await Host(settings).run()
