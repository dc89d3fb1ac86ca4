"""Which folders and files of the host a sandbox must see, read-only, to run the worker's Python.

Found out from the running interpreter rather than configured, so that a virtual environment, a pyenv Python or a
checkout below a closed `/root` work alike: a bind mount needs no right to walk down from `/`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_LIBRARY_ROOTS: Final = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
_SINGLE_FILES: Final = ("/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo")
_NEVER: Final = frozenset({"/", "/root", "/home", "/etc", "/var", "/tmp", "/run", "/proc", "/sys", "/dev", "/usr"})  # noqa: S108  named to be refused


def read_only_trees(closed: Path) -> list[Path]:
    """Absolute paths to show, parents before children and no path below another.

    `closed` is the folder of the platform's own state: nothing that contains it is shown.
    """
    wanted = {Path(item) for item in (*_LIBRARY_ROOTS, *_SINGLE_FILES)}
    wanted |= set(_loaded_roots())
    wanted |= {path for path in _mapped_libraries() if not _below_any(path, wanted)}
    existing = {path for path in wanted | {path.resolve() for path in wanted} if path.exists()}
    safe = {path for path in existing if str(path) not in _NEVER and not closed.is_relative_to(path)}
    return [path for path in sorted(safe) if path.is_symlink() or not _below_any(path, safe - {path})]


def _loaded_roots() -> Iterable[Path]:
    """The entries of `sys.path` that something was imported from, and the standard library."""
    entries = {Path(entry).absolute() for entry in sys.path if entry}
    standard = Path(sys.base_prefix).resolve()
    used = {entry for entry in entries if standard in (entry, *entry.resolve().parents)}
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str):
            continue
        path = Path(file).absolute()
        used |= {entry for entry in entries if path.is_relative_to(entry)}
    return used


def _mapped_libraries() -> Iterable[Path]:
    """Shared libraries that the interpreter has mapped from elsewhere, such as pyenv's libpython."""
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return set[Path]()
    fields = (line.split(maxsplit=5) for line in lines)
    return {Path(parts[5]) for parts in fields if len(parts) == 6 and parts[5].startswith("/") and ".so" in parts[5]}


def _below_any(path: Path, roots: Iterable[Path]) -> bool:
    return any(path.is_relative_to(root) for root in roots)
