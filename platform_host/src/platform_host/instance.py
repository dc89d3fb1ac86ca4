"""One host for one home: a lock held for life, the pid beside it, and what stands of an earlier one."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING, Self

from platform_host.embedded.identity import ProcessIdentity
from platform_host.embedded.secret_file import private_folder, write_private

if TYPE_CHECKING:
    from types import TracebackType


class AlreadyRunningError(Exception):
    """Another host runs in this home; `pid` is its process where that is known."""

    def __init__(self, home: Path, pid: int | None) -> None:
        named = "" if pid is None else f" (process {pid})"
        super().__init__(f"a server is already running for {home}{named}; stop it with: kgents server stop")
        self.pid = pid


class InstanceLock:
    """Holds `run/host.lock` while the block runs and keeps `run/host.pid` (pid and start mark, a line each).

    The kernel drops the lock with the process, however it ends: a pid file that is left over hinders nobody.
    """

    def __init__(self, run_folder: Path, home: Path) -> None:
        self._run = run_folder
        self._home = home
        self._descriptor = -1

    def __enter__(self) -> Self:
        private_folder(self._run)
        self._descriptor = os.open(self._run / "host.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise AlreadyRunningError(self._home, self._recorded_pid()) from None
        own = ProcessIdentity.of(os.getpid())
        write_private(self._pid_file, f"{os.getpid()}\n{own.started if own else ''}\n")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pid_file.unlink(missing_ok=True)
        os.close(self._descriptor)

    @property
    def _pid_file(self) -> Path:
        return self._run / "host.pid"

    def _recorded_pid(self) -> int | None:
        try:
            return int(self._pid_file.read_text(encoding="ascii").split()[0])
        except (OSError, ValueError, IndexError):
            return None
