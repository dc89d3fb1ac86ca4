"""What a forked child does to itself before it runs anything of an agent.

The order matters: what needs capabilities first, then they go, then the filters that can't be taken off again.
"""

from __future__ import annotations

import contextlib
import os
import random
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from agent_deployment_service.launchers.process import filesystem, landlock, namespaces
from agent_deployment_service.launchers.process.filesystem import Owner
from agent_deployment_service.launchers.process.limits import Limits, apply_limits, limit_processes
from agent_deployment_service.launchers.process.namespaces import Isolation
from kgents_shared.isolation import kernel, seccomp
from kgents_shared.isolation.cgroups import CgroupOfInstance


class Step(StrEnum):
    """One protection that may be missing where the kernel lacks it, by the name that `kgents doctor` shows."""

    CGROUP = "cgroup"
    PROC = "proc"
    USER_NAMESPACE = "user_namespace"
    CAPABILITIES = "capabilities"
    PARENT_DEATH = "parent_death_signal"
    NO_NEW_PRIVILEGES = "no_new_privileges"
    LANDLOCK = "landlock"
    SECCOMP = "seccomp"
    LIMITS = "limits"


@dataclass(frozen=True, slots=True)
class SandboxPlan:
    """What the fork server found out once and every child applies.

    `trees` are the read-only paths of the host that a child without namespaces may still read.
    """

    isolation: Isolation
    staging: Path
    door: Path | None
    trees: tuple[Path, ...]
    landlock_abi: int
    filter_code: bytes
    last_capability: int
    server: int
    """pidfd of the fork server, or -1 where the kernel has none."""


@dataclass(slots=True)
class Applied:
    """Which steps failed, and why. Empty means that every one holds."""

    missing: dict[str, str] = field(default_factory=dict[str, str])

    def note(self, step: Step, error: OSError | str) -> None:
        """Remembers that a step does not hold."""
        self.missing[step.value] = str(error)


# The instance's folder lies on the host's disk, which nothing else would keep a worker from filling, and the front
# dials what stands there: no link may lead it to another socket of the host's.
_SOCKET_ONLY: Final = landlock.READ | landlock.MAKE_SOCKET | landlock.REMOVE_FILE


def begin(plan: SandboxPlan, group: CgroupOfInstance | None) -> Applied:
    """The part that is the same for every instance and takes longest, done ahead in a spare child.

    OSError when namespaces fail although the plan has them.
    """
    applied = Applied()
    _raise_oom_score()
    if group is None:
        applied.note(Step.CGROUP, "this process may not make control groups")
    else:
        group.join()
    if plan.isolation is not Isolation.NONE:
        namespaces.enter_worker_namespaces()
    return applied


def finish(plan: SandboxPlan, applied: Applied, instance: Path, owner: Owner, limits: Limits) -> None:
    """Shuts this process in, as one instance. OSError when a wall fails although the plan has it."""
    random.seed()
    os.umask(0o077 if plan.isolation is Isolation.USER else 0o022)
    apply_limits(limits)
    if plan.isolation is Isolation.NONE:
        applied.note(Step.LIMITS, "processes can't be counted without namespaces; memory and files are limited")
        _drop_what_there_is(plan, applied)
    else:
        _wall_off(plan, instance, owner, limits, applied)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    if plan.server >= 0:
        namespaces.die_with(plan.server)
    else:
        applied.note(Step.PARENT_DEATH, "the kernel has no pidfd_open")
    _lock(plan, instance, applied)


def _raise_oom_score() -> None:
    """Has the kernel choose workers before the platform's own processes when the whole machine is out of memory."""
    try:
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")
    except OSError:
        return  # a preference, not a protection


def _wall_off(plan: SandboxPlan, instance: Path, owner: Owner, limits: Limits, applied: Applied) -> None:
    if not filesystem.enter(plan.staging, instance, owner, limits.scratch_mb):
        applied.note(Step.PROC, "the kernel refuses a new /proc here")
    if plan.isolation is Isolation.ROOT:
        kernel.drop_bounding_set(plan.last_capability)
        namespaces.become_nobody(owner.uid, owner.gid)
    try:
        namespaces.enter_user_namespace(owner.uid, owner.gid)
    except OSError as error:
        if plan.isolation is Isolation.USER:
            raise
        applied.note(Step.USER_NAMESPACE, error)
    else:
        kernel.drop_bounding_set(plan.last_capability)
        kernel.lock_securebits()
    limit_processes(limits.processes)
    kernel.drop_capabilities()


def _drop_what_there_is(plan: SandboxPlan, applied: Applied) -> None:
    """Without namespaces: root in a container still has some capabilities, an ordinary user has none to drop."""
    try:
        if not kernel.has_no_capabilities():
            with contextlib.suppress(PermissionError):  # an ordinary user may not change the bounding set
                kernel.drop_bounding_set(plan.last_capability)
            kernel.drop_capabilities()
    except (OSError, AttributeError) as error:  # AttributeError: a C library without prctl, as on macOS
        applied.note(Step.CAPABILITIES, str(error))


def _lock(plan: SandboxPlan, instance: Path, applied: Applied) -> None:
    isolated = plan.isolation is not Isolation.NONE
    try:
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    except OSError as error:
        if isolated:
            raise
        applied.note(Step.NO_NEW_PRIVILEGES, error)
    if plan.landlock_abi:
        landlock.restrict(plan.landlock_abi, _landlock_rules(plan, instance), tcp=isolated)
    else:
        applied.note(Step.LANDLOCK, "the kernel has no Landlock or it is switched off")
    if plan.filter_code:
        seccomp.install(plan.filter_code)
    else:
        applied.note(Step.SECCOMP, "the kernel or this machine has no system call filter")


def _landlock_rules(plan: SandboxPlan, instance: Path) -> list[tuple[Path, int]]:
    devices = [(Path("/dev/null"), landlock.READ_FILE | landlock.WRITE_FILE)]
    if plan.isolation is not Isolation.NONE:
        return [
            (Path("/"), landlock.READ),
            (Path(filesystem.INSTANCE_INSIDE), _SOCKET_ONLY),
            (Path(filesystem.SCRATCH_INSIDE), landlock.writable_rights(plan.landlock_abi)),
            *devices,
        ]
    readable = [*plan.trees, Path("/dev/urandom"), Path("/proc/self")]
    if plan.door is not None:
        readable.append(plan.door)
    return [*((path, landlock.READ) for path in readable), (instance, _SOCKET_ONLY), *devices]
