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
from typing import Any, cast

import setproctitle

from agent_deployment_service.launchers.process import child, filesystem, kernel, landlock, seccomp, wire
from agent_deployment_service.launchers.process.cgroups import CgroupOfInstance, CgroupTree
from agent_deployment_service.launchers.process.child import ChildTask
from agent_deployment_service.launchers.process.code_trees import read_only_trees
from agent_deployment_service.launchers.process.filesystem import Owner
from agent_deployment_service.launchers.process.limits import Limits
from agent_deployment_service.launchers.process.namespaces import (
    Isolation,
    PidNamespaces,
    enter_server_namespaces,
    worker_uids,
)
from agent_deployment_service.launchers.process.sandbox import SandboxPlan
from kgents_shared.contracts.worker import WorkerConfig


@dataclass(frozen=True, slots=True)
class Arguments:
    """The command line: one JSON object, as `link.ServerCommand` writes it."""

    channel: int
    module: str
    isolate: bool
    run_dir: Path
    door: Path | None
    import_paths: tuple[str, ...]

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
            door=Path(door) if door else None,
            import_paths=tuple(told["import_paths"]),
        )


@dataclass(frozen=True, slots=True)
class _Child:
    instance_id: str
    owner: Owner
    group: CgroupOfInstance | None


class ForkServer:
    """Takes requests from the launcher, forks, and reports which child ended and how."""

    def __init__(self, channel: socket.socket, plan: SandboxPlan, serve: Callable[[bytes], None]) -> None:
        self._channel = channel
        self._plan = plan
        self._serve = serve
        self._children: dict[int, _Child] = {}
        self._pid_namespaces = None if plan.isolation is Isolation.NONE else PidNamespaces()
        self._uids = list(worker_uids()) if plan.isolation is Isolation.ROOT else []
        self._next_uid = 0
        self._cgroups = CgroupTree.find(_cgroup_name(plan.staging))
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
                ready = {descriptor for descriptor, _ in poll.poll()}
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
                self._launch(received.body, received.descriptors)
            finally:
                for descriptor in received.descriptors:
                    os.close(descriptor)
        return True

    def _launch(self, body: dict[str, Any], descriptors: tuple[int, ...]) -> None:
        config, log, status = descriptors
        instance_id = cast("str", body["id"])
        task = ChildTask(
            agent=cast("str", body["agent"]),
            instance=Path(cast("str", body["folder"])),
            limits=Limits(memory_mb=int(body["memory_mb"])),
            config=config,
            log=log,
            status=status,
            probe=body["op"] == "probe",
        )
        try:
            owner = self._owner(task.instance)
            group = self._cgroups.create(instance_id, task.limits) if self._cgroups else None
            pid = self._pid_namespaces.fork() if self._pid_namespaces else os.fork()
        except OSError as error:
            self._report({"event": "exited", "id": instance_id, "error": f"fork: {error}"})
            return
        if pid == 0:
            self._channel.close()
            child.run(task, self._plan, owner, group, self._serve)
        self._children[pid] = _Child(instance_id, owner, group)

    def _owner(self, instance: Path) -> Owner:
        """Whom the child runs as: in `Isolation.ROOT` an id that no other living child has."""
        if not self._uids:
            return Owner(os.geteuid(), os.getegid())
        taken = {item.owner.uid for item in self._children.values()}
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
    return f"kgents-{hashlib.sha256(os.fsencode(staging)).hexdigest()[:12]}"


def _wake(*_: object) -> None:
    """SIGCHLD needs a handler, or the wake-up descriptor hears nothing of it."""


def _leave(*_: object) -> None:
    raise SystemExit(0)


def prepare(arguments: Arguments, isolation: Isolation) -> SandboxPlan:
    """Finds out what every child will apply, and builds the root folder that they share."""
    staging = arguments.run_dir / "root"
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
    setproctitle.setproctitle("kgents: forkserver")
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
    server = ForkServer(channel, plan, lambda data: worker.serve(WorkerConfig.model_validate_json(data)))
    gc.collect()
    gc.freeze()  # children then share these pages for good: the collector doesn't write to them
    wire.send(channel, {"event": "ready", "pid": _host_pid(), "isolation": str(isolation)})
    server.run()


def _host_pid() -> int:
    return int(str(Path("/proc/self").readlink())) if sys.platform == "linux" else os.getpid()


if __name__ == "__main__":
    main()
