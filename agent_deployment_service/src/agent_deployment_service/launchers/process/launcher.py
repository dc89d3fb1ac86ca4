"""The `process` launcher: every instance is a sandboxed child of a fork server on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import structlog

from agent_deployment_service.launchers.process.filesystem import DOOR_INSIDE, INSTANCE_INSIDE
from agent_deployment_service.launchers.process.identity import ProcessIdentity, ProcessRecord
from agent_deployment_service.launchers.process.instance import (
    SOCKET_NAME,
    StatusPipe,
    WorkerProcess,
    make_folder,
    sealed_file,
    wait_for_health,
)
from agent_deployment_service.launchers.process.keeper import ForkServerKeeper
from agent_deployment_service.launchers.process.limits import Limits
from agent_deployment_service.launchers.process.link import ForkServerLink, ServerCommand
from agent_deployment_service.launchers.process.logs import AgentLogs, LogPipe
from agent_deployment_service.launchers.process.namespaces import Isolation
from agent_deployment_service.launchers.process.shells import CHAT, LANGFLOW, ProcessLauncherOptions, server_of
from agent_deployment_service.launchers.process.usage import usage_of
from agent_deployment_service.launchers.protocol import (
    AlreadyLaunchedError,
    ExitReason,
    InstanceExit,
    Launched,
    LaunchError,
    LaunchRequest,
    ProcessRow,
    Protection,
    Usage,
)
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.deployments import OUT_OF_MEMORY
from kgents_shared.contracts.worker import WorkerConfig

_SANDBOX_SECONDS: Final = 10.0
_KILL_SECONDS: Final = 5.0
_PROBE_LIMITS: Final = Limits(memory_mb=256)

_log = structlog.get_logger(__name__)


class ProcessLauncher:
    """See `launchers.protocol.Launcher`."""

    name = "process"

    def __init__(self, options: ProcessLauncherOptions) -> None:
        self._options = options
        self._instances_dir = options.run_dir / "instances"
        self._record = ProcessRecord(options.run_dir / "processes.json")
        self._logs = AgentLogs(options.logs_dir)
        self._workers: dict[UUID, WorkerProcess] = {}
        self._exits: asyncio.Queue[InstanceExit] = asyncio.Queue()
        self._chat = self._keeper(options.chat())
        self._keepers = {CHAT: self._chat}
        self._closing = False

    async def start(self) -> None:
        """Ends what a killed server left, clears its folders and starts the fork server in the background."""
        leftovers = await asyncio.to_thread(self._prepare)
        if leftovers:
            _log.warning("leftover_processes_ended", pids=leftovers)
        self._chat.start()

    def _prepare(self) -> list[int]:
        run_dir = self._options.run_dir
        run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._logs.prepare()
        leftovers = self._record.reap()
        for folder in (self._instances_dir, *self._options.roots):
            shutil.rmtree(folder, ignore_errors=True)
            # What a worker closed to its own user is left: that is no reason not to start.
            folder.mkdir(mode=0o700, exist_ok=True)
        if self._options.door_dir is not None:
            self._options.door_dir.mkdir(parents=True, exist_ok=True)
            # Workers may have a user id of their own: they must be able to walk in, not to list. What closes the
            # door to other users of the machine is the home folder above it.
            self._options.door_dir.chmod(0o711)
        self._options.chat().log_path.unlink(missing_ok=True)
        return leftovers

    # -- the fork servers -----------------------------------------------------------------------------------------

    def _keeper(self, command: ServerCommand) -> ForkServerKeeper:
        return ForkServerKeeper(
            command,
            self._probe,
            on_exit=self._on_exit,
            on_lost=self._on_lost,
            changed=self._write_record,
            require_isolation=self._options.require_isolation,
        )

    def _keeper_of(self, spec: AgentSpec) -> ForkServerKeeper:
        """The one whose children run such agents; those that not all need are started with their first agent."""
        if self._closing:
            raise LaunchError("the launcher is closing")
        kind = server_of(spec)
        if kind not in self._keepers:
            command = self._options.langflow() if kind == LANGFLOW else self._options.providers()
            self._keepers[kind] = self._keeper(command)
            self._keepers[kind].start()
        return self._keepers[kind]

    def _on_lost(self, keeper: ForkServerKeeper) -> None:
        for worker in [worker for worker in self._workers.values() if worker.keeper is keeper]:
            if worker.identity is not None:
                worker.identity.kill()  # the kernel has done so where there are pid namespaces
            self._ended(worker, ExitReason.LOST, None, "the fork server went away")

    # -- instances ------------------------------------------------------------------------------------------------

    async def why_not(self, shell: str) -> str | None:
        """Flows run where their environment is installed and the machine can isolate them, all else everywhere."""
        if shell != "Langflow":
            return None
        try:
            self._options.langflow()
            _refuse_without_walls(await self._chat.ready(), shell)
        except LaunchError as error:
            return str(error)
        return None

    async def launch(self, request: LaunchRequest) -> Launched:
        """Starts a worker in a sandbox of its own; it exists, shut in, when this returns."""
        if request.instance_id in self._workers:
            raise AlreadyLaunchedError(f"instance {request.instance_id} runs already")
        keeper = self._keeper_of(request.spec)
        link = await keeper.ready()
        _refuse_without_walls(link, request.spec.runtime.shell)
        worker = self._new_worker(request, keeper)
        config = self._config(request, isolated=link.isolation is not Isolation.NONE)
        try:
            told = await self._send_launch(link, "launch", worker, _limits(request), config)
            worker.identity = ProcessIdentity.of(int(told["pid"]))
            worker.launched = replace(worker.launched, pid=int(told["pid"]))
            if worker.gone.is_set():
                raise LaunchError(worker.end_detail)
        except (LaunchError, asyncio.CancelledError):
            self._workers.pop(request.instance_id, None)
            await self._abandon(link, worker)
            raise
        worker.announced = True
        self._write_record()
        return worker.launched

    def _new_worker(self, request: LaunchRequest, keeper: ForkServerKeeper) -> WorkerProcess:
        folder = make_folder(self._instances_dir, str(request.instance_id))
        endpoint = f"unix:{folder / SOCKET_NAME}"
        launched = Launched(request.instance_id, request.agent_id, request.agent_name, endpoint, endpoint, pid=None)
        worker = WorkerProcess(launched, keeper, folder, LogPipe(self._logs.path(request.agent_id)))
        self._workers[request.instance_id] = worker
        worker.log.open()
        return worker

    def _config(self, request: LaunchRequest, *, isolated: bool) -> bytes:
        folder = INSTANCE_INSIDE if isolated else str(self._instances_dir / str(request.instance_id))
        door = self._options.door
        if isolated and door.startswith("unix:") and self._options.door_dir is not None:
            door = f"unix:{DOOR_INSIDE}/{Path(door.removeprefix('unix:')).name}"
        config = WorkerConfig(
            instance_id=request.instance_id,
            agent_id=request.agent_id,
            agent_name=request.agent_name,
            version=request.version,
            spec=request.spec,
            listen=f"unix:{folder}/{SOCKET_NAME}",
            door=door,
            token=request.token,
            flow=request.flow,
        )
        return config.model_dump_json().encode()

    async def _send_launch(
        self, link: ForkServerLink, operation: str, worker: WorkerProcess, limits: Limits, config: bytes
    ) -> dict[str, Any]:
        status = StatusPipe()
        config_file = sealed_file(config)
        body = {
            "op": operation,
            "id": str(worker.launched.instance_id),
            "agent": worker.launched.agent_name,
            "folder": str(worker.folder),
            "limits": asdict(limits),
        }
        try:
            await link.send(body, (config_file, worker.log.writer, status.writer))
        finally:
            os.close(config_file)
            os.close(status.writer)
            worker.log.close_writer()
        return await status.read("observed" if operation == "probe" else "missing", _SANDBOX_SECONDS)

    async def _abandon(self, link: ForkServerLink, worker: WorkerProcess) -> None:
        with contextlib.suppress(LaunchError):
            await link.send({"op": "signal", "id": str(worker.launched.instance_id), "signal": signal.SIGKILL})
        worker.clear()

    async def _probe(self, link: ForkServerLink) -> list[Protection]:
        instance_id = uuid4()
        folder = make_folder(self._instances_dir, str(instance_id))
        launched = Launched(instance_id, instance_id, "probe", "", "", pid=None)
        log = LogPipe(self._options.logs_dir / "forkserver.log")
        worker = WorkerProcess(launched, self._chat, folder, log)
        worker.log.open()
        try:
            told = await self._send_launch(link, "probe", worker, _PROBE_LIMITS, b"")
        finally:
            worker.clear()
        missing: dict[str, str] = told["missing"]
        return [
            Protection(name, on, "" if on else missing.get(name, "observed to be off"))
            for name, on in told["observed"].items()
        ]

    def _on_exit(self, report: dict[str, Any]) -> None:
        worker = self._workers.get(UUID(report["id"]))
        if worker is None:
            return
        code: int | None = report.get("code")
        if report.get("out_of_memory"):
            self._ended(worker, ExitReason.OUT_OF_MEMORY, code, OUT_OF_MEMORY)
        else:
            self._ended(worker, ExitReason.EXITED, code, str(report.get("error") or _describe(code)))

    def _ended(self, worker: WorkerProcess, reason: ExitReason, code: int | None, detail: str) -> None:
        launched = worker.launched
        self._workers.pop(launched.instance_id, None)
        worker.end_detail = detail
        worker.clear()
        self._write_record()
        if worker.announced:
            told = ExitReason.STOPPED if worker.stopping else reason
            self._exits.put_nowait(InstanceExit(launched.instance_id, launched.agent_id, told, code, detail))

    async def wait_healthy(self, instance_id: UUID, timeout_s: float) -> None:
        """Polls `GET /health` over the instance's socket every few milliseconds."""
        worker = self._workers.get(instance_id)
        if worker is None:
            raise LaunchError("the worker ended before it was healthy")
        await wait_for_health(worker.folder / SOCKET_NAME, worker.gone, timeout_s)
        worker.healthy = True

    async def stop(self, instance_id: UUID, grace_s: float) -> None:
        """SIGTERM, then SIGKILL after `grace_s`; returns when the process is gone."""
        worker = self._workers.get(instance_id)
        if worker is None:
            return
        worker.stopping = True
        for kind, patience in ((signal.SIGTERM, grace_s), (signal.SIGKILL, _KILL_SECONDS)):
            link = worker.keeper.link
            if link is not None:
                with contextlib.suppress(LaunchError):
                    await link.send({"op": "signal", "id": str(instance_id), "signal": int(kind)})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await worker.gone.wait()
                return
        raise LaunchError(f"instance {instance_id} does not end")

    async def next_exit(self) -> InstanceExit:
        """The next instance that ended."""
        return await self._exits.get()

    def running(self) -> Sequence[Launched]:
        """All instances that were launched and have not ended."""
        return [worker.launched for worker in self._workers.values() if worker.announced]

    async def usage(self, instance_ids: Collection[UUID]) -> Mapping[UUID, Usage]:
        """As the kernel counts them."""
        return await asyncio.to_thread(self._usage, instance_ids)

    def _usage(self, instance_ids: Collection[UUID]) -> dict[UUID, Usage]:
        found: dict[UUID, Usage] = {}
        for instance_id in instance_ids:
            worker = self._workers.get(instance_id)
            pid = None if worker is None else worker.launched.pid
            if worker is None or pid is None:
                continue
            used = usage_of(pid)
            if used is not None:
                found[instance_id] = used
        return found

    async def logs(self, agent_id: UUID, tail: int) -> list[str]:
        """From the agent's log files."""
        return await self._logs.tail(agent_id, tail)

    async def forget(self, agent_id: UUID) -> None:
        """Deletes the agent's log files."""
        await self._logs.delete(agent_id)

    async def protections(self) -> Sequence[Protection]:
        """What a probe observed from inside a sandbox when the fork server came up."""
        await self._chat.ready()
        return list(self._chat.protections)

    def processes(self) -> Sequence[ProcessRow]:
        """The fork servers, their workers, and last the children that wait to be one."""
        of_servers = [keeper.rows() for keeper in self._keepers.values()]
        rows = [row for server, _ in of_servers for row in server]
        for worker in self._workers.values():
            if worker.launched.pid is not None:
                launched = worker.launched
                rows.append(
                    ProcessRow("worker", launched.pid or 0, launched.agent_name, launched.instance_id, worker.state)
                )
        return [*rows, *(row for _, spare in of_servers for row in spare)]

    async def close(self, grace_s: float) -> None:
        """Drains and ends every worker, then the fork servers."""
        self._closing = True
        keepers = list(self._keepers.values())
        for keeper in keepers:
            keeper.refuse()
        for keeper in keepers:
            await keeper.settle()
        deadline = time.monotonic() + grace_s
        stops = (self.stop(item, max(0.0, deadline - time.monotonic())) for item in list(self._workers))
        await asyncio.gather(*stops, return_exceptions=True)
        await asyncio.gather(*(keeper.close() for keeper in keepers))
        await asyncio.to_thread(self._clear)

    def _clear(self) -> None:
        self._record.reap()
        for folder in (self._instances_dir, *self._options.roots):
            shutil.rmtree(folder, ignore_errors=True)

    def _write_record(self) -> None:
        servers = [keeper.link.identity for keeper in self._keepers.values() if keeper.link]
        living = [worker.identity for worker in self._workers.values()]
        self._record.write(item for item in (*servers, *living) if item is not None)


def _limits(request: LaunchRequest) -> Limits:
    asked = request.spec.limits
    return Limits(memory_mb=asked.memory_mb, cpus=asked.cpu, processes=asked.processes)


def _refuse_without_walls(link: ForkServerLink, shell: str) -> None:
    if link.isolation is Isolation.NONE and shell == "Langflow":
        raise LaunchError(f"a {shell} agent can't run here: this machine can't isolate it")


def _describe(code: int | None) -> str:
    if code is None:
        return "it ended"
    if code < 0:
        return f"it was killed by {signal.Signals(-code).name}"
    return f"it ended with exit code {code}"
