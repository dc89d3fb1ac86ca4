"""Finds a uv to install with: the one on PATH if it is new enough, else a private copy in the checkout."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from kgents_cli.bootstrap.faults import BootstrapError
from kgents_cli.bootstrap.pip_settings import PipSettings
from kgents_cli.bootstrap.uv_wheel import UvPin, download_uv, read_pin

UV_FLOOR = (0, 8, 0)


def uv_version(program: str | Path) -> tuple[int, ...] | None:
    """The version that a uv names itself, or None if it doesn't run."""
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.match(r"uv (\d+)\.(\d+)\.(\d+)", answer.stdout)
    return tuple(int(part) for part in match.groups()) if match and answer.returncode == 0 else None


def find_uv(root: Path) -> Path | None:
    """A uv that is already here: KGENTS_UV, then PATH, then the checkout's own. None if there is none new enough.

    Raises:
        BootstrapError: KGENTS_UV names something that isn't a uv of at least `UV_FLOOR`.
    """
    floor = ".".join(map(str, UV_FLOOR))
    named = os.environ.get("KGENTS_UV")
    if named:
        if (uv_version(named) or ()) >= UV_FLOOR:
            return Path(named)
        raise BootstrapError(f"KGENTS_UV={named} is not a uv of at least {floor}: unset it, or name one that is.")
    on_path = shutil.which("uv")
    if on_path and (uv_version(on_path) or ()) >= UV_FLOOR:
        return Path(on_path)
    private = private_folder(root, read_pin(root / "locks/uv.txt")) / "bin/uv"
    return private if private.exists() and uv_version(private) else None


def private_folder(root: Path, pin: UvPin) -> Path:
    """Where the checkout keeps a uv of its own; a folder per version, so that a new pin is a new folder."""
    return root / ".kgents" / f"uv-{pin.version}"


def obtain_uv(root: Path, settings: PipSettings, say: Callable[[str], None]) -> Path:
    """`find_uv`, or the pinned one fetched from the package index: by pip where this Python has one, else by hand.

    Raises:
        BootstrapError: neither way worked.
    """
    found = find_uv(root)
    if found is not None:
        return found
    lock = root / "locks/uv.txt"
    pin = read_pin(lock)
    target = private_folder(root, pin)
    say(f"fetching uv {pin.version} into {target.relative_to(root)}")
    # Beside, then renamed: a fetch that was cut off leaves nothing that looks like a uv.
    part = target.with_name(f"{target.name}.{os.getpid()}")
    if not _fetch_with_pip(lock, part):
        shutil.rmtree(part, ignore_errors=True)
        program = download_uv(pin, settings, part)
        if uv_version(program) is None:
            raise BootstrapError(f"{program} does not run on this machine: put a uv that does on PATH.")
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)
    return target / "bin/uv"


def _fetch_with_pip(lock: Path, target: Path) -> bool:
    """Whether this Python's pip put a uv that runs into `target`. A private folder is none of PEP 668's business."""
    command = [sys.executable, "-P", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", "--only-binary", ":all:", "--target", str(target), "-r", str(lock)]
    env = os.environ | {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", "PIP_NO_INPUT": "1"}
    try:
        answer = subprocess.run(command, capture_output=True, env=env, timeout=600, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and uv_version(target / "bin/uv") is not None
