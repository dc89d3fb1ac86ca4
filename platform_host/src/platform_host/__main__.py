"""`python -m platform_host up`: the platform in the foreground. Settings come from config.toml and the environment.

Exit codes: 0 stopped as asked, 2 bad settings, 1 anything else. A failure is one sentence on stderr each, behind
`kgents: `.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

from platform_host.config import ConfigError, load_settings
from platform_host.embedded.supervisor import EmbeddedStartError
from platform_host.host import run_host
from platform_host.instance import AlreadyRunningError
from platform_host.lifespans import ServiceStartError
from platform_host.sockets import PortTakenError

if TYPE_CHECKING:
    from collections.abc import Sequence

_EXPECTED = (AlreadyRunningError, PortTakenError, EmbeddedStartError, ServiceStartError)


def main(arguments: Sequence[str]) -> int:
    """Run `up`; returns the exit code."""
    if list(arguments) != ["up"]:
        return _say("usage: python -m platform_host up", code=2)
    try:
        run_host(load_settings(os.environ))
    except ConfigError as error:
        return _say(*error.faults, code=2)
    except BaseExceptionGroup as group:
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        return _explain(first)
    except Exception as error:  # noqa: BLE001 - what is not expected is raised again
        return _explain(error)
    return 0


def _explain(error: BaseException) -> int:
    if isinstance(error, _EXPECTED):
        return _say(str(error))
    from psycopg import Error as DatabaseError  # noqa: PLC0415 - loaded by now, or else of no interest

    if isinstance(error, DatabaseError):
        return _say(f"the database refused: {str(error).strip()}")
    if isinstance(error, OSError):
        where = "" if error.filename is None else f"{error.filename}: "
        hints = {
            errno.ENOSPC: "the disk is full; free some space and start again",
            errno.EDQUOT: "the disk quota is used up; free some space and start again",
            errno.EACCES: "this user may not write there; set KGENTS_HOME to a folder of yours",
            errno.EPERM: "this user may not do that; set KGENTS_HOME to a folder of yours",
            errno.EROFS: "the file system is read-only; set KGENTS_HOME to a folder that can be written",
        }
        return _say(where + hints.get(error.errno or 0, error.strerror or str(error)))
    raise error


def _say(*sentences: str, code: int = 1) -> int:
    for sentence in sentences:
        sys.stderr.write(f"kgents: {' '.join(sentence.split())}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
