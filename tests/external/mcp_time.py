"""`mcp-server-time` from PyPI, in an environment of its own: the real MCP server that the tests call.

`mcp_time_command()` makes the environment once a checkout, from hash-pinned `locks/mcp-server-time.txt`, below
`.kgents/tools/`, and gives the command's path.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

from kgents_cli.bootstrap.pip_settings import read_pip_settings, uv_environment
from kgents_cli.bootstrap.uv_program import obtain_uv

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "locks" / "mcp-server-time.txt"
HOME = ROOT / ".kgents" / "tools" / "mcp-server-time"


def mcp_time_command() -> Path:
    """The `mcp-server-time` program; installs it where this checkout doesn't have what the lock file pins."""
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "install.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        return _installed()


def _installed() -> Path:
    environment = HOME / "environment"
    program = environment / "bin" / "mcp-server-time"
    stamp = HOME / "installed.txt"
    wanted = f"{sys.version}\n{LOCK.read_text('utf-8')}"
    if program.exists() and stamp.exists() and stamp.read_text("utf-8") == wanted:
        return program
    settings = read_pip_settings()
    uv = str(obtain_uv(ROOT, settings, _say))
    shutil.rmtree(environment, ignore_errors=True)
    install = ["pip", "install", "--quiet", "--require-hashes", "--compile-bytecode", "-r", str(LOCK)]
    for words in (
        ["venv", "--quiet", "--python", sys.executable, str(environment)],
        [*install, "--python", str(environment / "bin" / "python")],
    ):
        answer = subprocess.run([uv, *words], env=uv_environment(settings), capture_output=True, text=True, check=False)
        if answer.returncode != 0:
            raise RuntimeError(f"uv {words[0]} failed: {answer.stderr[-2000:]}")
    stamp.write_text(wanted, encoding="utf-8")
    return program


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
