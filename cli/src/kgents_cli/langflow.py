"""What flows of Langflow run on, installed into an environment of its own from hash-pinned packages."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kgents_cli.bootstrap.faults import BootstrapError
from kgents_cli.bootstrap.pip_settings import read_pip_settings, uv_environment
from kgents_cli.bootstrap.uv_program import obtain_uv
from kgents_cli.faults import CliError
from kgents_cli.home import Home
from kgents_shared.langflow_environment import FLOW_WORKER, FORK_SERVER, choose, command, installed, python_in

LOCK = "locks/langflow-runtime.txt"
Say = Callable[[str], None]


def langflow_folder(home: Home) -> Path:
    """Where the environment belongs: DEPLOYMENT_LANGFLOW_DIR, or `langflow` in the home."""
    named = os.environ.get("DEPLOYMENT_LANGFLOW_DIR")
    return Path(named).expanduser().absolute() if named else home.path / "langflow"


@dataclass(frozen=True, slots=True)
class LangflowEnvironment:
    """The environment that a checkout's lock asks for, in `folder`."""

    root: Path
    folder: Path

    @property
    def name(self) -> str:
        """One for each lock and Python: what is in use is never changed under whoever uses it."""
        pinned = (self.root / LOCK).read_bytes() + sys.version.encode()
        return f"env-{hashlib.sha256(pinned).hexdigest()[:16]}"

    @property
    def is_current(self) -> bool:
        """Whether it is installed, as the lock says."""
        return installed(self.folder) == self.name

    @property
    def is_outdated(self) -> bool:
        """Whether another one is installed."""
        return installed(self.folder) not in (None, self.name)

    def install(self, say: Say) -> bool:
        """Install it unless it is there already; whether anything was to be done. `CliError` with the reason."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "install.lock").open("w", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if self.is_current:
                return False
            self._install(say)
            return True

    def _install(self, say: Say) -> None:
        target = self.folder / self.name
        shutil.rmtree(target, ignore_errors=True)
        settings = read_pip_settings()
        try:
            uv = str(obtain_uv(self.root, settings, say))
        except BootstrapError as fault:
            raise CliError(str(fault)) from fault
        environment = uv_environment(settings)
        python = str(python_in(target))
        say("making an environment for Langflow's packages")
        _run([uv, "venv", "--quiet", "--python", str(Path(sys.executable).resolve()), str(target)], environment)
        say(f"installing what {LOCK} pins (hashes checked)")
        words = ["pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", str(self.root / LOCK)]
        _run([uv, *words], environment)
        say("loading it once, which compiles it")
        _run(command(python_in(target), f"import {FLOW_WORKER}, {FORK_SERVER}"), {"OPENBLAS_NUM_THREADS": "1"})
        choose(self.folder, self.name)

    def remove_others(self) -> None:
        """Remove older environments; only while no server runs that could use one."""
        for other in self.folder.glob("env-*"):
            if other.name != self.name:
                shutil.rmtree(other, ignore_errors=True)


def _run(words: list[str], environment: dict[str, str]) -> None:
    answer = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        reason = "\n".join(answer.stderr.strip().splitlines()[-12:])
        hint = "if it is the network, check pip's index-url and cert settings; if it is the disk, make room"
        raise CliError(f"the install failed:\n{reason}", hint=f"{hint}; then run kgents langflow install again")
