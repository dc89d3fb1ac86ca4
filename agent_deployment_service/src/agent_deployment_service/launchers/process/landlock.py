"""Landlock: a second wall around files, signals and abstract sockets, where the kernel has it.

Structures and bits: `include/uapi/linux/landlock.h`.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from kgents_shared.isolation import kernel

EXECUTE: Final = 1 << 0
WRITE_FILE: Final = 1 << 1
READ_FILE: Final = 1 << 2
READ_DIRECTORY: Final = 1 << 3
REMOVE_FILE: Final = 1 << 5
MAKE_SOCKET: Final = 1 << 9
_MAKE_DEVICES: Final = (1 << 6) | (1 << 11)
_TRUNCATE: Final = 1 << 14
_RIGHTS_BY_ABI: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_FILE_RIGHTS: Final = EXECUTE | WRITE_FILE | READ_FILE | _TRUNCATE | (1 << 15)
_CONNECT_AND_BIND_TCP: Final = 0b11
_SCOPE_ABSTRACT_AND_SIGNAL: Final = 0b11
_CREATE_RULESET_VERSION: Final = 1
_RULE_PATH_BENEATH: Final = 1

READ: Final = READ_FILE | READ_DIRECTORY


def abi() -> int:
    """The kernel's Landlock version, 0 where it has none or it is switched off."""
    try:
        return kernel.syscall(kernel.SYS_LANDLOCK_CREATE_RULESET, 0, 0, _CREATE_RULESET_VERSION)
    except OSError:
        return 0


def _handled(version: int) -> int:
    return _RIGHTS_BY_ABI[max(known for known in _RIGHTS_BY_ABI if known <= version)]


def writable_rights(version: int) -> int:
    """Everything but running programs and making device nodes."""
    return _handled(version) & ~(EXECUTE | _MAKE_DEVICES)


def restrict(version: int, rules: Iterable[tuple[Path, int]], *, tcp: bool) -> None:
    """Leaves this process, for good, with the named paths and rights alone. Needs no_new_privs.

    Paths that don't exist are left out. Without `tcp`, kernels from version 4 on refuse TCP as well.
    """
    handled = _handled(version)
    attributes = struct.pack(
        "=QQQ",
        handled,
        0 if tcp or version < 4 else _CONNECT_AND_BIND_TCP,
        _SCOPE_ABSTRACT_AND_SIGNAL if version >= 6 else 0,
    )
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = kernel.syscall(kernel.SYS_LANDLOCK_CREATE_RULESET, ctypes.create_string_buffer(attributes, 24), size, 0)
    try:
        for path, rights in rules:
            _allow(ruleset, path, rights & handled)
        kernel.syscall(kernel.SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not path.is_dir():
            rights &= _FILE_RIGHTS
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, descriptor), 12)
        kernel.syscall(kernel.SYS_LANDLOCK_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)
