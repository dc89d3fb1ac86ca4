"""Environments of their own for programs that the tests call: each once a checkout, from hash-pinned `locks/NAME.txt`,
below `.kgents/tools/NAME/`."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from kgents_cli.bootstrap.pip_settings import read_pip_settings, uv_environment
from kgents_cli.bootstrap.uv_program import obtain_uv

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "locks"
TOOLS = ROOT / ".kgents" / "tools"


@cache
def environment(name: str) -> Path:
    """The virtual environment with what `locks/<name>.txt` pins; made where this checkout doesn't have that."""
    lock = LOCKS / f"{name}.txt"
    folder = TOOLS / name / "environment"
    made_once(TOOLS / name, f"{sys.version}\n{lock.read_text('utf-8')}", lambda: _make(folder, lock))
    return folder


def made_once(home: Path, wanted: str, make: Callable[[], None]) -> None:
    """Call `make` unless it was called for `wanted` before, in this process or another."""
    home.mkdir(parents=True, exist_ok=True)
    stamp = home / "installed.txt"
    with (home / "install.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text("utf-8") == wanted:
            return
        stamp.unlink(missing_ok=True)
        make()
        stamp.write_text(wanted, encoding="utf-8")


def _make(folder: Path, lock: Path) -> None:
    settings = read_pip_settings()
    uv = str(obtain_uv(ROOT, settings, _say))
    shutil.rmtree(folder, ignore_errors=True)
    install = ["pip", "install", "--quiet", "--require-hashes", "--compile-bytecode", "-r", str(lock)]
    for words in (
        ["venv", "--quiet", "--python", sys.executable, str(folder)],
        [*install, "--python", str(folder / "bin" / "python")],
    ):
        answer = subprocess.run([uv, *words], env=uv_environment(settings), capture_output=True, text=True, check=False)
        if answer.returncode != 0:
            raise RuntimeError(f"uv {words[0]} failed: {answer.stderr[-2000:]}")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
