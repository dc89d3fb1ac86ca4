"""Makes `.venv` what the lock files say, once, however many `./kgents` start at the same time."""

import fcntl
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from kgents_cli.bootstrap.faults import BootstrapError
from kgents_cli.bootstrap.pip_settings import read_pip_settings, uv_environment
from kgents_cli.bootstrap.uv_program import obtain_uv

LEVELS = ("runtime", "dev", "bench")
_LOCKS: Mapping[str, str] = {"runtime": "kgents.txt", "dev": "dev.txt", "bench": "bench.txt"}


def say(text: str) -> None:
    """One line of progress on stderr; stdout belongs to the command that is about to run."""
    print(f"kgents: {text}", file=sys.stderr, flush=True)


def stamp_file(root: Path, level: str) -> Path:
    """The file whose content says what was installed; `./kgents` compares it on every start."""
    return root / ".venv" / f"kgents-{level}.stamp"


def is_current(root: Path, level: str, fingerprint: str) -> bool:
    """Whether this level is installed from exactly the files that the fingerprint names."""
    try:
        return (
            stamp_file(root, level).read_text(encoding="utf-8").rstrip("\n") == fingerprint
            and _usable(root) is not None
        )
    except OSError:
        return False


def workspace_members(root: Path) -> list[str]:
    """Folders of the workspace's members, as the root pyproject lists them."""
    with (root / "pyproject.toml").open("rb") as file:
        members: list[str] = tomllib.load(file)["tool"]["uv"]["workspace"]["members"]
    return members


@contextmanager
def exclusive(root: Path) -> Generator[int]:
    """Holds the checkout's install lock; gives its descriptor.

    The kernel lets it go when its last holder dies, however it dies. A child that gets the descriptor holds it too.

    Raises:
        BootstrapError: the checkout is not writable.
    """
    folder = root / ".kgents"
    try:
        folder.mkdir(exist_ok=True)
        file = (folder / "install.lock").open("a+", encoding="utf-8")
    except OSError as fault:
        raise BootstrapError(
            f"{folder} is not writable ({fault.strerror}): make the checkout writable, or clone it where it is."
        ) from fault
    with file:
        _wait_for(file)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield file.fileno()


def _wait_for(file: IO[str]) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        say(f"another ./kgents (process {file.read().strip() or 'unknown'}) is installing; waiting for it")
        fcntl.flock(file, fcntl.LOCK_EX)


def _usable(root: Path) -> tuple[int, ...] | None:
    """The version of `.venv`'s Python, or None if that doesn't run, is too old or belongs elsewhere."""
    program = root / ".venv/bin/python"
    probe = "import sys; print(sys.prefix, *sys.version_info[:2], sep='\\n')"
    try:
        answer = subprocess.run([program, "-I", "-c", probe], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = answer.stdout.splitlines()
    if answer.returncode != 0 or len(lines) != 3 or Path(lines[0]).resolve() != (root / ".venv").resolve():
        return None
    version = (int(lines[1]), int(lines[2]))
    return version if version >= (3, 11) and (root / f".venv/lib/python{lines[1]}.{lines[2]}").is_dir() else None


def _moved(root: Path) -> bool:
    """Whether `.venv` was installed for a checkout at another path: its scripts and editable members point there."""
    for level in LEVELS:
        try:
            with stamp_file(root, level).open(encoding="utf-8") as file:
                return file.readline().rstrip("\n") != str(root)
        except OSError:
            continue
    return False


class Installer:
    """One install of one level into `.venv`. When a step is cut off, the next run starts from a fresh `.venv`."""

    def __init__(self, root: Path, uv: Path, env: Mapping[str, str], lock: int) -> None:
        self._root = root
        self._uv = uv
        self._env = env
        self._lock = lock
        self._venv = root / ".venv"
        self._started = self._venv / "kgents-installing"

    def run(self, level: str, fingerprint: str) -> None:
        """Installs the level and leaves the stamps of it and of every level that it includes.

        Raises:
            BootstrapError: uv failed; its own words are on stderr above.
        """
        if self._started.exists() or _moved(self._root) or _usable(self._root) is None:
            self._make_venv()
        self._started.touch()
        for other in LEVELS:
            stamp_file(self._root, other).unlink(missing_ok=True)
        lock = f"locks/{_LOCKS[level]}"
        with self._step(f"installing what {lock} pins (hashes checked, bytecode compiled)"):
            self._call("pip", "install", "--python", str(self._venv / "bin/python"), "--require-hashes",
                       "--compile-bytecode", "-r", lock)  # fmt: skip
        members = workspace_members(self._root)
        with self._step(f"linking the {len(members)} members of the workspace"):
            editable = [word for member in members for word in ("-e", str(self._root / member))]
            self._call("pip", "install", "--python", str(self._venv / "bin/python"), "--no-deps",
                       "--no-build-isolation", *editable)  # fmt: skip
            # Where PYTHONDONTWRITEBYTECODE is set, every start would otherwise compile every source file again.
            sources = [folder for member in members if (folder := self._root / member / "src").is_dir()]
            compile_all = [self._venv / "bin/python", "-m", "compileall", "-q", *sources]
            subprocess.run(compile_all, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)
        for included in LEVELS[: LEVELS.index(level) + 1]:
            file = stamp_file(self._root, included)
            part = file.with_suffix(".part")
            part.write_text(fingerprint + "\n", encoding="utf-8")
            part.replace(file)
        self._started.unlink()

    def _make_venv(self) -> None:
        if self._venv.is_symlink() or self._venv.is_file():
            self._venv.unlink()
        elif self._venv.exists():
            say("the environment in .venv is unusable or half made: making it anew")
            aside = self._root / ".kgents" / f"old-venv-{os.getpid()}"
            self._venv.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
        version = ".".join(map(str, sys.version_info[:3]))
        with self._step(f"making .venv for Python {version}"):
            # The real path: a symlink such as python3 may point to another Python tomorrow.
            self._call("venv", "--quiet", "--python", str(Path(sys.executable).resolve()), str(self._venv))

    @contextmanager
    def _step(self, text: str) -> Generator[None]:
        say(f"{text} …")
        start = time.monotonic()
        yield
        say(f"  done in {time.monotonic() - start:.1f} s")

    def _call(self, *words: str) -> None:
        """Runs uv. On a terminal it draws its own progress; otherwise its words are kept for the case that it fails."""
        shown = sys.stderr.isatty()
        command = [str(self._uv), *words]
        answer = subprocess.run(
            command, cwd=self._root, env=self._env, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=None if shown else subprocess.PIPE, check=False,
            pass_fds=(self._lock,),  # killed, this process leaves uv running for a moment: nobody else may begin then
        )  # fmt: skip
        if answer.returncode == 0:
            return
        if answer.stderr:
            sys.stderr.write(answer.stderr.decode(errors="replace"))
        raise BootstrapError(
            f"the install failed (uv's reason is above; `{words[0]}` ended with {answer.returncode}): "
            "if it is the network, check pip's index-url and cert settings; if it is the disk, make room; "
            "then run ./kgents again."
        )


def install(root: Path, level: str, fingerprint: str) -> None:
    """Brings `.venv` to the level, unless another process just did.

    Raises:
        BootstrapError: with the sentence to show.
    """
    with exclusive(root) as lock:
        if is_current(root, level, fingerprint):
            return
        start = time.monotonic()
        settings = read_pip_settings()
        env = uv_environment(settings)
        uv = obtain_uv(root, settings, say)
        Installer(root, uv, env, lock).run(level, fingerprint)
        say(f"ready after {time.monotonic() - start:.1f} s")


def main(arguments: list[str]) -> int:
    """`ROOT LEVEL FINGERPRINT` → exit code: 0 installed, 1 not, 130 interrupted."""
    root, level, fingerprint = arguments
    try:
        install(Path(root), level, fingerprint)
    except BootstrapError as fault:
        say(str(fault))
        return 1
    except OSError as fault:
        say(
            f"{fault.filename or root}: {fault.strerror}: "
            "make room or give this user the right to write there, then run again."
        )
        return 1
    except KeyboardInterrupt:
        say("interrupted; the next ./kgents installs again")
        return 130
    return 0
