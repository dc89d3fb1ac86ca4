"""The server's processes, from what the host recorded and from /proc; nothing slow to import.

A pid alone proves nothing, since pids are used again: the host's is trusted only together with its start mark.
"""

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from kgents_cli.home import Home


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """One process of a running server. `role` is host, worker, forkserver, postgres or nats."""

    role: str
    pid: int
    agent: str | None
    state: str


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A host that is alive. `url` is where it answers, `started_at` an RFC 3339 time if the host noted one."""

    pid: int
    mark: str
    state: str
    url: str | None
    started_at: str | None
    processes: tuple[ServerProcess, ...]

    def as_json(self) -> dict[str, Any]:
        """What `server status --json` prints."""
        return {
            "running": True,
            "pid": self.pid,
            "state": self.state,
            "url": self.url,
            "started_at": self.started_at,
            "processes": [asdict(process) for process in self.processes],
        }


def start_mark(pid: int) -> str | None:
    """Tells a process from a later one with the same pid; None if there is none or it has ended.

    The same mark that the host records: boot id and clock ticks on Linux, seconds since the epoch elsewhere.
    """
    if sys.platform != "linux":
        import psutil

        try:
            process = psutil.Process(pid)
            return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
        except psutil.Error:
            return None
    fields = _stat(pid)
    if fields is None or fields[0] in "ZX":
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}:{fields[19]}"


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat from the state on (proc(5): field 3 is index 0)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def find_server(home: Home) -> RunningServer | None:
    """The host that runs for this home, or None: none is recorded, or the recorded process is gone.

    `url` is None while it starts.
    """
    identity = home.read_pid_file()
    if identity is None or start_mark(identity[0]) != identity[1]:
        return None
    pid, mark = identity
    record = home.read_host_record() or {}
    if record.get("pid") != pid:
        record = {"state": "starting"}  # what is written there is an earlier host's
    noted = {
        process.pid: process
        for item in cast("list[dict[str, Any]]", record.get("processes", []))
        if (process := _noted(item)) is not None
    }
    url, started_at = record.get("url"), record.get("started_at")
    return RunningServer(
        pid=pid,
        mark=mark,
        state=str(record.get("state", "running")),
        url=url if isinstance(url, str) else None,
        started_at=started_at if isinstance(started_at, str) else None,
        processes=_merge(pid, noted, str(record.get("state", "running"))),
    )


def _noted(item: Mapping[str, Any]) -> ServerProcess | None:
    pid, agent = item.get("pid"), item.get("agent")
    if not isinstance(pid, int) or start_mark(pid) != item.get("started"):
        return None
    return ServerProcess(str(item.get("role", "?")), pid, str(agent) if agent else None, str(item.get("state", "?")))


def _merge(host: int, noted: Mapping[int, ServerProcess], state: str) -> tuple[ServerProcess, ...]:
    """What the host noted, and its descendants that it had not noted yet (one that has just been started)."""
    found = {host: ServerProcess("host", host, None, state), **noted}
    for pid in _descendants(host):
        if pid not in found and (process := _recognise(pid)) is not None:
            found[pid] = process
    order = ("host", "forkserver", "postgres", "nats", "worker")
    return tuple(sorted(found.values(), key=lambda p: (order.index(p.role) if p.role in order else 9, p.pid)))


def _descendants(ancestor: int) -> list[int]:
    if sys.platform != "linux":
        return []
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        name = entry.name
        if name.isdigit() and (fields := _stat(int(name))) is not None and fields[0] not in "ZX":
            children.setdefault(int(fields[1]), []).append(int(name))
    found: list[int] = []
    pending = [ancestor]
    while pending:
        below = children.get(pending.pop(), [])
        found += below
        pending += below
    return found


def _recognise(pid: int) -> ServerProcess | None:
    """A process by its title; postgres's own children (`postgres: checkpointer`) are part of postgres."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return None
    if words.startswith("kgents: worker"):
        return ServerProcess("worker", pid, words.removeprefix("kgents: worker").strip() or None, "running")
    if words.startswith("kgents: forkserver"):
        return ServerProcess("forkserver", pid, None, "running")
    program = words.split(" ", 1)[0].rpartition("/")[2]
    if program in ("postgres", "nats-server"):
        return ServerProcess("nats" if program == "nats-server" else program, pid, None, "running")
    return None
