"""The fork server: a process that has the worker's code loaded and forks a sandboxed child for each agent.

Run by the launcher as `python -I -m agent_deployment_service.launchers.process.forkserver ARGUMENTS`
with a scrubbed environment. It stays single-threaded (a process with threads can't fork or change namespaces
safely), can't be dumped or traced, reads no secret and ends when the launcher's end of the socket is closed.

Children inherit the hash seed, which Python fixes at its start; the random module is seeded anew.
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import setproctitle

from agent_deployment_service.launchers.process import child, filesystem, landlock, wire
from agent_deployment_service.launchers.process.code_trees import read_only_trees
from agent_deployment_service.launchers.process.filesystem import Owner
from agent_deployment_service.launchers.process.limits import GROUP_PREFIX, MAX_PROCESSES, Pool
from agent_deployment_service.launchers.process.namespaces import (
    Isolation,
    PidNamespaces,
    enter_server_namespaces,
    worker_uids,
)
from agent_deployment_service.launchers.process.sandbox import SandboxPlan
from kgents_shared.contracts.worker import WorkerConfig
from kgents_shared.isolation import kernel, seccomp
from kgents_shared.isolation.cgroups import CgroupOfInstance, CgroupTree, Controller

_SPARE_AFTER_MS: Final = 200  # whoever was just launched has the processor to itself first
_CONTROLLERS: Final[tuple[Controller, ...]] = ("memory", "pids", "cpu")


@dataclass(frozen=True, slots=True)
class Arguments:
    """The command line: one JSON object, as `link.ServerCommand` writes it."""

    channel: int
    module: str
    isolate: bool
    run_dir: Path
    root: Path
    title: str
    number: int
    door: Path | None
    import_paths: tuple[str, ...]
    pool: Pool

    @classmethod
    def parse(cls, text: str) -> Arguments:
        """From `sys.argv[1]`."""
        told = cast("dict[str, Any]", json.loads(text))
        door = told["door_dir"]
        return cls(
            channel=told["channel"],
            module=told["module"],
            isolate=told["isolate"],
            run_dir=Path(told["run_dir"]),
            root=Path(told["root"]),
            title=told["title"],
            number=told["number"],
            door=Path(door) if door else None,
            import_paths=tuple(told["import_paths"]),
            pool=Pool(**told["pool"]),
        )


@dataclass(slots=True)
class _Child:
    """A forked child; `instance_id` is empty while it is a spare."""

    pid: int
    channel: socket.socket
    group: CgroupOfInstance | None
    host_pid: int = 0
    instance_id: str = ""
    uid: int = -1


class ForkServer:
    """Takes requests from the launcher, forks, and reports which child ended and how. Keeps one spare child ready."""

    def __init__(
        self, channel: socket.socket, plan: SandboxPlan, number: int, pool: Pool, serve: Callable[[bytes], None]
    ) -> None:
        self._channel = channel
        self._plan = plan
        self._serve = serve
        self._children: dict[int, _Child] = {}
        self._spare: _Child | None = None
        self._forked = 0
        self._pid_namespaces = None if plan.isolation is Isolation.NONE else PidNamespaces()
        self._uids = list(worker_uids(number)) if plan.isolation is Isolation.ROOT else []
        self._next_uid = 0
        self._cgroups = CgroupTree.find(_cgroup_name(plan.staging), _CONTROLLERS)
        if self._cgroups is not None:
            self._cgroups.limit_all(memory_mb=pool.memory_mb, cpus=pool.cpus)
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)

    def run(self) -> None:
        """Serves until the launcher goes away or says so; ends every child first."""
        signal.signal(signal.SIGCHLD, _wake)
        signal.signal(signal.SIGTERM, _leave)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        try:
            while True:
                ready = {descriptor for descriptor, _ in poll.poll(None if self._spare else _SPARE_AFTER_MS)}
                if not ready:
                    self._make_spare()
                if self._wake_read in ready:
                    self._drain_wakeups()
                    self._reap()
                if self._channel.fileno() in ready and not self._take_request():
                    return
        finally:
            self._end_children()

    def _take_request(self) -> bool:
        try:
            received = wire.receive(self._channel)
        except (EOFError, ConnectionError):
            return False
        if received is None or received.body["op"] == "quit":
            return False
        if received.body["op"] == "signal":
            self._signal(received.body)
        else:
            try:
                self._launch(received)
            finally:
                for descriptor in received.descriptors:
                    os.close(descriptor)
        return True

    def _launch(self, request: wire.Received) -> None:
        instance_id = cast("str", request.body["id"])
        try:
            item = self._spare or self._fork()
            self._keep_spare(None)
            owner = self._owner(Path(request.body["folder"]))
            if item.group and self._cgroups:
                self._cgroups.limit(item.group, **request.body["limits"])
            item.instance_id, item.uid = instance_id, owner.uid
            wire.send(item.channel, {**request.body, "uid": owner.uid, "gid": owner.gid}, request.descriptors)
            item.channel.close()
        except (OSError, EOFError) as error:
            self._report({"event": "exited", "id": instance_id, "error": f"fork: {error}"})

    def _make_spare(self) -> None:
        """One more child than is needed; without it the next launch forks for itself."""
        try:
            self._keep_spare(self._fork())
        except (OSError, EOFError) as error:
            sys.stderr.write(f"no spare child: {error}\n")

    def _fork(self) -> _Child:
        self._forked += 1
        group = self._cgroups.create(str(self._forked), processes=MAX_PROCESSES) if self._cgroups else None
        ours, theirs = socket.socketpair()
        pid = self._pid_namespaces.fork() if self._pid_namespaces else os.fork()
        if pid == 0:
            ours.close()
            self._channel.close()
            child.run(theirs, self._plan, group, self._serve)
        theirs.close()
        item = self._children[pid] = _Child(pid, ours, group)
        told = wire.receive(ours)
        if told is None:
            raise EOFError("a child ended before it was anything")
        item.host_pid = int(told.body["pid"])
        return item

    def _keep_spare(self, item: _Child | None) -> None:
        if item is not self._spare:
            self._spare = item
            self._report({"event": "spare", "pid": item.host_pid if item else None})

    def _owner(self, instance: Path) -> Owner:
        """Whom the child runs as: in `Isolation.ROOT` an id that no other living child has."""
        if not self._uids:
            return Owner(os.geteuid(), os.getegid())
        taken = {item.uid for item in self._children.values()}
        while self._uids[self._next_uid % len(self._uids)] in taken:
            self._next_uid += 1
        uid = self._uids[self._next_uid % len(self._uids)]
        self._next_uid += 1
        os.chown(instance, uid, uid)
        return Owner(uid, uid)

    def _signal(self, body: dict[str, Any]) -> None:
        for pid, item in self._children.items():
            if item.instance_id == body["id"]:
                os.kill(pid, int(body["signal"]))  # not reaped yet, so the pid is still its own

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            item = self._children.pop(pid, None)
            if item is None:
                continue
            if item is self._spare:
                self._keep_spare(None)
            item.channel.close()
            if item.instance_id:
                code = os.waitstatus_to_exitcode(status)
                starved = item.group.out_of_memory() if item.group else False
                self._report({"event": "exited", "id": item.instance_id, "code": code, "out_of_memory": starved})
            if item.group:
                item.group.remove()

    def _report(self, body: dict[str, Any]) -> None:
        try:
            wire.send(self._channel, body)
        except ConnectionError:
            return  # the launcher is gone; the next read says so and ends the loop

    def _drain_wakeups(self) -> None:
        try:
            while os.read(self._wake_read, 4096):
                pass
        except BlockingIOError:
            return

    def _end_children(self) -> None:
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        for pid, item in self._children.items():
            os.waitpid(pid, 0)
            if item.group:
                item.group.remove()
        if self._cgroups:
            self._cgroups.remove()


def _cgroup_name(staging: Path) -> str:
    """The same for each server of one run folder, so that the next one clears what a killed one left."""
    return f"{GROUP_PREFIX}{hashlib.sha256(os.fsencode(staging)).hexdigest()[:12]}"


def _wake(*_: object) -> None:
    """SIGCHLD needs a handler, or the wake-up descriptor hears nothing of it."""


def _leave(*_: object) -> None:
    raise SystemExit(0)


def prepare(arguments: Arguments, isolation: Isolation) -> SandboxPlan:
    """Finds out what every child will apply, and builds the root folder that they share."""
    staging = arguments.root
    trees = read_only_trees(arguments.run_dir)
    if isolation is not Isolation.NONE:
        kernel.unshare(kernel.CLONE_NEWNS)
        filesystem.build_template(staging, trees, arguments.door or staging)
    return SandboxPlan(
        isolation=isolation,
        staging=staging,
        door=arguments.door,
        trees=tuple(trees),
        landlock_abi=landlock.abi() if sys.platform == "linux" else 0,
        filter_code=_filter(isolation),
        last_capability=kernel.last_capability() if sys.platform == "linux" else 0,
        server=os.pidfd_open(os.getpid()) if hasattr(os, "pidfd_open") else -1,
    )


def _filter(isolation: Isolation) -> bytes:
    if sys.platform != "linux":
        return b""
    return seccomp.encode(seccomp.program(kernel.machine(), inet=isolation is not Isolation.NONE))


def main() -> None:
    """Entry point; see the module's text."""
    arguments = Arguments.parse(sys.argv[1])
    channel = socket.socket(fileno=arguments.channel)
    channel.set_inheritable(False)
    isolation = enter_server_namespaces() if arguments.isolate else Isolation.NONE
    setproctitle.setproctitle(f"kgents: {arguments.title}")
    os.umask(0o022)
    sys.path[:0] = arguments.import_paths
    try:
        worker = importlib.import_module(arguments.module)
        if sys.platform == "linux" and len(list(Path("/proc/self/task").iterdir())) > 1:
            raise RuntimeError(f"{arguments.module} starts threads when imported")
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        plan = prepare(arguments, isolation)
    except (OSError, RuntimeError, ImportError) as error:
        wire.send(channel, {"event": "failed", "detail": f"{type(error).__name__}: {error}"})
        raise

    def serve(data: bytes) -> None:
        worker.serve(WorkerConfig.model_validate_json(data))

    server = ForkServer(channel, plan, arguments.number, arguments.pool, serve)
    gc.collect()
    gc.freeze()  # children then share these pages for good: the collector doesn't write to them
    wire.send(channel, {"event": "ready", "pid": _host_pid(), "isolation": str(isolation)})
    server.run()


def _host_pid() -> int:
    return int(str(Path("/proc/self").readlink())) if sys.platform == "linux" else os.getpid()


if __name__ == "__main__":
    main()
