"""What a sandbox sees from the inside: each protection is observed, none is believed because it was asked for.

Observed with system calls rather than through `/proc`, which a sandbox may lack.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from agent_deployment_service.launchers.process.limits import MAX_PROCESSES
from kgents_shared.isolation import kernel
from kgents_shared.isolation.cgroups import CgroupOfInstance

_NAMESPACES: Final = {
    "user": "user_namespace",
    "mnt": "mount_namespace",
    "net": "network_namespace",
    "ipc": "ipc_namespace",
    "uts": "host_name_namespace",
}
_AF_VSOCK: Final = 40


def baseline() -> dict[str, str]:
    """The namespaces and the root folder of this process now, to compare with later."""
    found = {name: _link(f"/proc/self/ns/{name}") for name in _NAMESPACES}
    root = Path("/").stat()
    found["root"] = f"{root.st_dev}:{root.st_ino}"
    return found


def observe(before: dict[str, str], group: CgroupOfInstance | None, *, isolated: bool) -> dict[str, bool]:
    """Protection → whether it holds in this process.

    Namespaces can only be told apart through `/proc`; without one, `isolated` counts, since their system calls
    answered and a refusal would have ended the process.
    """
    after = baseline()
    controllers = group.controllers if group else frozenset[str]()
    found = {title: isolated if not after[name] else before[name] != after[name] for name, title in _NAMESPACES.items()}
    return found | {
        "pid_namespace": os.getpid() == 1,
        "own_read_only_root": before["root"] != after["root"] and _refused(lambda: os.mkdir("/kgents-probe")),  # noqa: PTH102  the call itself is what is tried
        "no_capabilities": kernel.has_no_capabilities(),
        "no_new_privileges": kernel.prctl(kernel.PR_GET_NO_NEW_PRIVS) == 1,
        "system_call_filter": kernel.prctl(kernel.PR_GET_SECCOMP) == 2 and _filter_refuses(),
        "landlock": _landlocked(),
        "resource_limits": resource.getrlimit(resource.RLIMIT_CORE) == (0, 0),
        "process_limit": "pids" in controllers
        or (isolated and resource.getrlimit(resource.RLIMIT_NPROC)[1] == MAX_PROCESSES),
        "memory_control_group": "memory" in controllers,
        "process_control_group": "pids" in controllers,
        "processor_control_group": "cpu" in controllers,
        "dies_with_the_server": _parent_death_signal() == signal.SIGKILL,
        "not_dumpable": kernel.prctl(kernel.PR_GET_DUMPABLE) == 0,
    }


def _filter_refuses() -> bool:
    """Families that even an empty network namespace leaves open, and a way back out of the namespaces."""
    return _refused(lambda: socket.socket(_AF_VSOCK, socket.SOCK_STREAM).close()) and _refused(
        lambda: kernel.unshare(kernel.CLONE_NEWUTS)
    )


def _landlocked() -> bool:
    """/dev/zero may be written by its mode, but not by the sandbox's rules."""
    try:
        os.close(os.open("/dev/zero", os.O_WRONLY))
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _parent_death_signal() -> int:
    answer = ctypes.c_int(0)
    kernel.prctl(kernel.PR_GET_PDEATHSIG, ctypes.addressof(answer))
    return answer.value


def _refused(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return True
    return False


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""
