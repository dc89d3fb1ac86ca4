"""The life of a forked child: spare, then shut in, then worker. It never returns to the fork server's own loop.

A child is forked ahead of its use: joining control groups and making a network namespace takes most of a launch, and
is the same for all.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import setproctitle

from agent_deployment_service.launchers.process import sandbox, verification, wire
from agent_deployment_service.launchers.process.filesystem import Owner
from agent_deployment_service.launchers.process.limits import Limits
from agent_deployment_service.launchers.process.namespaces import Isolation
from agent_deployment_service.launchers.process.sandbox import Applied, SandboxPlan
from kgents_shared.isolation import kernel
from kgents_shared.isolation.cgroups import CgroupOfInstance

REFUSED_CODE: Final = 120
"""Exit code of a child that could not be shut in; the reason went to the launcher."""


@dataclass(frozen=True, slots=True)
class ChildTask:
    """One launch. The worker's configuration, which holds its token, stays in its file until the child reads it:
    what the server had read would be in the memory of every later child."""

    agent: str
    instance: Path
    limits: Limits
    owner: Owner
    probe: bool
    config: int
    log: int
    status: int

    @classmethod
    def of(cls, message: wire.Received) -> ChildTask:
        """From the fork server's message, which has three descriptors."""
        body = message.body
        config, log, status = message.descriptors
        return cls(
            agent=body["agent"],
            instance=Path(body["folder"]),
            limits=Limits(**body["limits"]),
            owner=Owner(body["uid"], body["gid"]),
            probe=body["op"] == "probe",
            config=config,
            log=log,
            status=status,
        )


def run(
    channel: socket.socket, plan: SandboxPlan, group: CgroupOfInstance | None, serve: Callable[[bytes], None]
) -> None:
    """Prepares, waits on `channel` for what to be, becomes it; ends the process."""
    code = REFUSED_CODE
    try:
        _let_go_of_the_server(channel, plan.server)
        pid = _host_pid()
        wire.send(channel, {"pid": pid})
        prepared = _prepare(plan, group)
        message = wire.receive(channel)
        if message is None:
            return
        channel.close()
        code = _become(ChildTask.of(message), pid, prepared, serve)
    except BaseException:  # noqa: BLE001  the process ends here, whatever it was
        traceback.print_exc()
        code = 1
    finally:
        sys.stderr.flush()
        os._exit(code)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """How far a spare child got. `fault` is told to whoever launches with it."""

    plan: SandboxPlan
    group: CgroupOfInstance | None
    baseline: dict[str, str]
    applied: Applied
    fault: OSError | None = None


def _prepare(plan: SandboxPlan, group: CgroupOfInstance | None) -> _Prepared:
    setproctitle.setproctitle("kgents: worker (spare)")
    before = verification.baseline()
    try:
        return _Prepared(plan, group, before, sandbox.begin(plan, group))
    except OSError as error:
        return _Prepared(plan, group, before, Applied(), error)


def _become(task: ChildTask, pid: int, prepared: _Prepared, serve: Callable[[bytes], None]) -> int:
    os.dup2(task.log, 1)
    os.dup2(task.log, 2)
    os.close(task.log)
    setproctitle.setproctitle(f"kgents: worker {task.agent}")
    _tell(task.status, {"pid": pid})
    plan, applied = prepared.plan, prepared.applied
    try:
        if prepared.fault is not None:
            raise prepared.fault
        sandbox.finish(plan, applied, task.instance, task.owner, task.limits)
    except OSError as error:
        _tell(task.status, {"error": f"the sandbox could not be made: {error}"})
        return REFUSED_CODE
    _tell(task.status, {"missing": applied.missing})
    if task.probe:
        isolated = plan.isolation is not Isolation.NONE
        _tell(task.status, {"observed": verification.observe(prepared.baseline, prepared.group, isolated=isolated)})
        return 0
    os.close(task.status)
    return _serve(task.config, serve)


def _serve(config: int, serve: Callable[[bytes], None]) -> int:
    with os.fdopen(config, "rb") as pipe:
        data = pipe.read()
    try:
        serve(data)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    return 0


def _let_go_of_the_server(channel: socket.socket, server: int) -> None:
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The first process of a pid namespace ignores signals that it has no handler for: one is needed until the
    # worker sets its own.
    signal.signal(signal.SIGTERM, _leave)
    kernel.close_all_but({channel.fileno(), server})


def _leave(*_: object) -> None:
    os._exit(128 + signal.SIGTERM)


def _host_pid() -> int:
    try:
        return int(str(Path("/proc/self").readlink()))
    except OSError:
        return os.getpid()


def _tell(status: int, message: dict[str, object]) -> None:
    os.write(status, json.dumps(message).encode() + b"\n")
