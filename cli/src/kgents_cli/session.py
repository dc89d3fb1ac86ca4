"""The session of somebody who logged in here: kept private, refreshed by one command at a time."""

import fcntl
import json
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kgents_cli.faults import CliError
from kgents_cli.home import Home


@dataclass(frozen=True, slots=True)
class Session:
    """Who is logged in where. `expires_at` is the access token's end in Unix seconds."""

    url: str
    email: str
    access_token: str
    refresh_token: str
    expires_at: float

    @classmethod
    def of(cls, url: str, email: str, tokens: dict[str, Any]) -> "Session":
        """The session of a token pair as login and refresh answer it."""
        ends = time.time() + float(tokens["expires_in"])
        return cls(url, email, str(tokens["access_token"]), str(tokens["refresh_token"]), ends)


def read_session(home: Home) -> Session | None:
    """The kept session, or None where nobody is logged in."""
    try:
        kept = json.loads(home.session_file.read_text(encoding="utf-8"))
        return Session(**kept)
    except (OSError, ValueError, TypeError):
        return None


def keep_session(home: Home, session: Session) -> None:
    """Store the session in its private file.

    Raises:
        CliError: the file can't be written.
    """
    try:
        home.session_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(home.session_file, json.dumps(asdict(session)))
    except OSError as fault:
        raise CliError(
            f"{home.session_file} can't be written: {fault.strerror}",
            hint="give this user the right to write there, or set KGENTS_HOME to another folder",
        ) from fault


def forget_session(home: Home) -> None:
    """Drop what is kept: the session, and the token of a login before."""
    home.session_file.unlink(missing_ok=True)
    home.token_file.unlink(missing_ok=True)


@contextmanager
def refreshing(home: Home) -> Generator[None]:
    """One command at a time: a refresh token works once, and a second use would end the whole session."""
    with home.session_file.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_private(file: Path, text: str) -> None:
    """Replace the file in one step, readable by its owner alone. Raises OSError."""
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(text)
        part.replace(file)
    except OSError:
        part.unlink(missing_ok=True)
        raise
