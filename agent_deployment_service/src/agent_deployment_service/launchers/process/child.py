"""The life of a forked child: sandbox, then worker. It never returns to the fork server's own loop."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import setproctitle

from agent_deployment_service.launchers.process import kernel, sandbox, verification
from agent_deployment_service.launchers.process.cgroups import CgroupOfInstance
from agent_deployment_service.launchers.process.filesystem import Owner
from agent_deployment_service.launchers.process.limits import Limits
from agent_deployment_service.launchers.process.namespaces import Isolation
from agent_deployment_service.launchers.process.sandbox import SandboxPlan

REFUSED_CODE: Final = 120
"""Exit code of a child that could not be shut in; the reason went to the launcher."""


@dataclass(frozen=True, slots=True)
class ChildTask:
    """One launch, as the fork server read it. The worker's configuration, which holds its token, stays in its pipe
    until the child reads it: what the server had read would be in the memory of every later child."""

    agent: str
    instance: Path
    limits: Limits
    config: int
    log: int
    status: int
    probe: bool


def run(
    task: ChildTask,
    plan: SandboxPlan,
    owner: Owner,
    group: CgroupOfInstance | None,
    serve: Callable[[bytes], None],
) -> None:
    """Shuts this process in and runs `serve` with the configuration; ends the process."""
    code = REFUSED_CODE
    try:
        _own_descriptors(task, plan.server)
        setproctitle.setproctitle(f"kgents: worker {task.agent}")
        _tell(task.status, {"pid": _host_pid()})
        baseline = verification.baseline()
        isolated = plan.isolation is not Isolation.NONE
        try:
            applied = sandbox.apply(plan, task.instance, owner, task.limits, group)
        except OSError as error:
            _tell(task.status, {"error": f"the sandbox could not be made: {error}"})
            return
        _tell(task.status, {"missing": applied.missing})
        if task.probe:
            _tell(task.status, {"observed": verification.observe(baseline, group, isolated=isolated)})
            code = 0
            return
        os.close(task.status)
        code = _serve(task.config, serve)
    except BaseException:  # noqa: BLE001  the process ends here, whatever it was
        traceback.print_exc()
        code = 1
    finally:
        sys.stderr.flush()
        os._exit(code)


def _serve(config: int, serve: Callable[[bytes], None]) -> int:
    with os.fdopen(config, "rb") as pipe:
        data = pipe.read()
    try:
        serve(data)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    return 0


def _own_descriptors(task: ChildTask, server: int) -> None:
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The first process of a pid namespace ignores signals that it has no handler for: one is needed until the
    # worker sets its own.
    signal.signal(signal.SIGTERM, _leave)
    os.dup2(task.log, 1)
    os.dup2(task.log, 2)
    kernel.close_all_but({task.config, task.status, server})


def _leave(*_: object) -> None:
    os._exit(128 + signal.SIGTERM)


def _host_pid() -> int:
    try:
        return int(str(Path("/proc/self").readlink()))
    except OSError:
        return os.getpid()


def _tell(status: int, message: dict[str, object]) -> None:
    os.write(status, json.dumps(message).encode() + b"\n")
