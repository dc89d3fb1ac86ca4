"""Which files of the machine a stdio server sees, beside its own scratch folder: what it needs to run, and no others.

The system's programs and libraries; of /etc what programs read everywhere and what holds no secret; the installation
that its command belongs to, found as a person would find it: its prefix, the interpreter in its first line, the Python
that a virtual environment stands on, the `node_modules` of a script; what its entry names.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from tool_registry_service.settings import StdioCommand

_SYSTEM: Final = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store",
    "/var/lib/ca-certificates", "/sys/devices/system/cpu",
)  # fmt: skip
_ETC: Final = (
    "alternatives", "ca-certificates", "debian_version", "fonts", "group", "host.conf", "hosts", "ld.so.cache",
    "ld.so.conf", "ld.so.conf.d", "locale.alias", "localtime", "magic", "mime.types", "nsswitch.conf", "os-release",
    "passwd", "pki/ca-trust/extracted", "pki/tls/cert.pem", "pki/tls/certs", "protocols", "resolv.conf", "services",
    "ssl/cert.pem", "ssl/certs", "ssl/openssl.cnf", "timezone",
)  # fmt: skip
# Folders that hold what belongs to many: nothing shows them whole but an entry that names them.
_BROAD: Final = frozenset(
    Path(path)
    for path in ("/", "/etc", "/home", "/mnt", "/opt", "/root", "/run", "/srv", "/tmp", "/usr", "/var")  # noqa: S108 -- named to be left out
)
_SHEBANG_BYTES: Final = 512
_DEEPEST: Final = 4


@dataclass(frozen=True, slots=True)
class Sight:
    """`shown` and `writable` are places and what is seen there; `links` are places and where they lead."""

    shown: tuple[tuple[str, str], ...]
    writable: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...]


def sight_of(command: StdioCommand, also: Iterable[Path] = ()) -> Sight:
    """What the server of this entry sees; `also` is shown to it, for the guard's own sake."""
    wanted = [*command.readable, *also]
    for path in _programs(command):
        wanted += _installation(path)
    wanted += _named_in(command.args)
    links = _top_links()
    writable = _placed(command.writable, links)
    shown = _placed([*(Path(path) for path in _SYSTEM), *wanted], links) | _of_etc()
    return Sight(_without_repeats(shown), tuple(sorted(writable.items())), tuple(sorted(links.items())))


def _placed(paths: Iterable[Path], links: dict[str, str]) -> dict[str, str]:
    """Each path that there is, where it really lies, and where it is said to lie if nothing leads from there."""
    found: dict[str, str] = {}
    for path in paths:
        real = path.resolve()
        if not real.exists():
            continue
        found[str(real)] = str(real)
        top = f"/{path.parts[1]}" if len(path.parts) > 1 else "/"
        if str(path) != str(real) and top not in links:
            found[os.path.normpath(path)] = str(real)
    return found


def _without_repeats(shown: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Parents first; what a parent shows already is left out, also a link within it."""
    kept: dict[str, str] = {}
    for place in sorted(shown, key=lambda text: Path(text).parts):
        above = {str(parent) for parent in Path(place).parents}
        if not any(parent in kept and kept[parent] == parent for parent in above):
            kept[place] = shown[place]
    return tuple(kept.items())


@cache
def _top_links() -> dict[str, str]:
    """/bin → usr/bin and the like, as this system has them."""
    return {path: str(Path(path).readlink()) for path in _SYSTEM if Path(path).is_symlink()}


def _of_etc() -> dict[str, str]:
    files = {path: (path.resolve()) for path in (Path("/etc", name) for name in _ETC)}
    return {str(path): str(real) for path, real in files.items() if real.exists()}


def _programs(command: StdioCommand) -> list[Path]:
    """The command, and whatever reads it: interpreters of scripts, and of those."""
    found: list[Path] = []
    path: Path | None = command.command
    while path is not None and path not in found and len(found) < _DEEPEST:
        found.append(path)
        path = _interpreter(path, command.environment.get("PATH", "/usr/local/bin:/usr/bin:/bin"))
    return found


def _interpreter(path: Path, search: str) -> Path | None:
    try:
        with path.open("rb") as file:
            line = file.read(_SHEBANG_BYTES).split(b"\n", 1)[0]
    except OSError:
        return None
    words = line.removeprefix(b"#!").decode("utf-8", "replace").split() if line.startswith(b"#!") else []
    if len(words) > 1 and Path(words[0]).name == "env":
        named = shutil.which(words[1], path=search)
        return None if named is None else Path(named)
    return Path(words[0]) if words else None


def _installation(program: Path) -> list[Path]:
    """What a program belongs to, by its place and by where that leads."""
    found = [program]
    for path in {program, program.resolve()}:
        prefix = path.parent.parent if path.parent.name in ("bin", "sbin", "Scripts") else path.parent
        base = _base_of(prefix)
        if base is not None:
            found += [prefix, *([] if _is_broad(base) else [base])]
        elif (prefix / "lib").is_dir() and not _is_broad(prefix):
            found.append(prefix)
        found += _modules_of(path)
    return found


def _base_of(prefix: Path) -> Path | None:
    """The prefix of the Python that a virtual environment stands on; None where `prefix` is none."""
    try:
        lines = (prefix / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    said = {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}
    return Path(said.get("home", "/usr/bin")).resolve().parent


def _named_in(args: Iterable[str]) -> list[Path]:
    """The files and folders that the operator's arguments name, and the modules beside a script."""
    paths = [Path(word) for word in args if word.startswith("/")]
    return [found for path in paths if path != Path("/") for found in (path, *_modules_of(path))]


def _modules_of(path: Path) -> list[Path]:
    folders = [parent for parent in path.parents if parent.name == "node_modules"]
    return folders[-1:]


def _is_broad(path: Path) -> bool:
    return path in _BROAD or path.parent == Path("/home") or path == Path.home()
