"""Where things lie: KGENTS_HOME, what the running host wrote there, and the checkout that this command came from.

Standard library only and quick to import: `server status` rests on this.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kgents_cli.faults import BadInput, CliError

DEFAULT_PORT = 8080


def checkout_root() -> Path | None:
    """The workspace's folder when this is an editable install of a checkout, else None."""
    root = Path(__file__).resolve().parents[3]
    return root if (root / "locks").is_dir() and (root / "pyproject.toml").is_file() else None


def require_checkout(purpose: str) -> Path:
    """`checkout_root`, for commands that only make sense in one.

    Raises:
        CliError: this is an installed copy.
    """
    root = checkout_root()
    if root is None:
        raise CliError(f"{purpose} needs a checkout of the repository", hint="git clone it and run ./kgents from there")
    return root


@dataclass(frozen=True, slots=True)
class Home:
    """KGENTS_HOME and the files in it that the command line reads. Nothing here is created by reading."""

    path: Path

    @classmethod
    def from_environment(cls, env: Mapping[str, str] | None = None) -> "Home":
        """`KGENTS_HOME`, or `~/.kgents`."""
        env = os.environ if env is None else env
        named = env.get("KGENTS_HOME")
        return cls(Path(named).expanduser().absolute() if named else Path.home() / ".kgents")

    @property
    def host_record(self) -> Path:
        """What the running host says of itself and its processes (JSON)."""
        return self.path / "run" / "host.json"

    @property
    def pid_file(self) -> Path:
        """The host's pid and start time."""
        return self.path / "run" / "host.pid"

    @property
    def server_log(self) -> Path:
        """Where a server in the background writes."""
        return self.path / "logs" / "server.log"

    @property
    def admin_file(self) -> Path:
        """The first administrator's address and password (0600)."""
        return self.path / "secrets" / "admin.json"

    @property
    def token_file(self) -> Path:
        """The access token that `kgents token` keeps until shortly before it expires (0600)."""
        return self.path / "secrets" / "cli-token.json"

    @property
    def session_file(self) -> Path:
        """The session that `kgents login` keeps (0600)."""
        return self.path / "secrets" / "cli-session.json"

    def settings(self) -> dict[str, Any]:
        """`config.toml`, or nothing where there is none.

        Raises:
            BadInput: it is not TOML; the message names line and column.
        """
        import tomllib

        file = self.path / "config.toml"
        try:
            with file.open("rb") as opened:
                return tomllib.load(opened)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except tomllib.TOMLDecodeError as fault:
            raise BadInput(f"{file}: {fault}", hint="correct the file, or move it away to use the defaults") from fault
        except OSError as fault:
            raise CliError(
                f"{file} can't be read: {fault.strerror}", hint="give this user the right to read it"
            ) from fault

    def read_pid_file(self) -> tuple[int, str] | None:
        """The pid and start mark of the host that holds this home, or held it; None if there is none."""
        try:
            pid, mark = self.pid_file.read_text(encoding="ascii").split()[:2]
            return int(pid), mark
        except (OSError, ValueError):
            return None

    def read_host_record(self) -> dict[str, Any] | None:
        """`run/host.json` as it was last written, or None. It may be left over from a host that is gone."""
        try:
            record = json.loads(self.host_record.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return record if isinstance(record, dict) else None
