"""Failures that an operator can mend, each as one sentence; everything else is a fault of ours and keeps its trace."""

from __future__ import annotations

import errno

from platform_host.config import ConfigError
from platform_host.embedded.supervisor import EmbeddedStartError
from platform_host.instance import AlreadyRunningError
from platform_host.lifespans import ServiceStartError
from platform_host.sockets import PortTakenError

EXIT_OTHER = 1
EXIT_BAD_INPUT = 2
_TOLD_BY_THEMSELVES = (AlreadyRunningError, PortTakenError, EmbeddedStartError, ServiceStartError)
_HINTS = {
    errno.ENOSPC: "the disk is full; free some space and start again",
    errno.EDQUOT: "the disk quota is used up; free some space and start again",
    errno.EACCES: "this user may not write there; set KGENTS_HOME to a folder of yours",
    errno.EPERM: "this user may not do that; set KGENTS_HOME to a folder of yours",
    errno.EROFS: "the file system is read-only; set KGENTS_HOME to a folder that can be written",
    errno.EEXIST: "there is a file where a folder should be; set KGENTS_HOME to another",
    errno.ENOENT: "no folder can be made there; set KGENTS_HOME to another",
    errno.ENOTDIR: "something on this path is no folder; set KGENTS_HOME to another",
}


def first_fault(error: BaseException) -> BaseException:
    """`error`, or the first one of a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def sentences(error: BaseException) -> tuple[str, ...] | None:
    """What to tell the operator; None for what was never expected."""
    from psycopg import Error as DatabaseError  # noqa: PLC0415 - loaded by now, or else of no interest

    if isinstance(error, ConfigError):
        return error.faults
    if isinstance(error, _TOLD_BY_THEMSELVES):
        return (str(error),)
    if isinstance(error, DatabaseError):
        return (f"the database refused: {str(error).strip()}",)
    if isinstance(error, OSError) and error.errno in _HINTS:
        where = "" if error.filename is None else f"{error.filename}: "
        return (where + _HINTS[error.errno],)
    return None


def exit_code(error: BaseException) -> int:
    """2 for settings that can't be used, 1 for all else."""
    return EXIT_BAD_INPUT if isinstance(error, ConfigError) else EXIT_OTHER
