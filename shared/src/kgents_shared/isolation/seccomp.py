"""The system call filter of a sandbox: a classic BPF program, built here and installed with prctl(2).

It refuses what nothing that is shut in needs: new programs (unless they are allowed), mounts, namespaces, other
processes' memory, kernel interfaces with a history of holes, and every socket family but Unix and (in an empty
network namespace) inet stream and datagram. Refused calls answer EPERM; `clone3` answers ENOSYS, because its flags lie
in memory where a filter can't look, and the C library then falls back to `clone`.
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from typing import Final, NamedTuple

from kgents_shared.isolation import kernel

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_AND: Final = 0x54  # BPF_ALU | BPF_AND | BPF_K
_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_GREATER_EQUAL: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_ANY_BIT: Final = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K

_ALLOW: Final = 0x7FFF0000
_KILL: Final = 0x80000000
_ERRNO: Final = 0x00050000
_REFUSE: Final = _ERRNO | errno.EPERM
_UNKNOWN: Final = _ERRNO | errno.ENOSYS

_OFFSET_NUMBER: Final = 0
_OFFSET_MACHINE: Final = 4
_X32_BIT: Final = 0x40000000
_AUDIT_MACHINES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_NEW_NAMESPACES: Final = (
    kernel.CLONE_NEWNS
    | kernel.CLONE_NEWCGROUP
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNET
)
_TIOCSTI: Final = 0x5412
_TIOCLINUX: Final = 0x541C

_CHECKED: Final[dict[str, tuple[int, int]]] = {
    "clone": (56, 220),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "ioctl": (16, 29),
    "prctl": (157, 167),
}
_CLONE3: Final = 435

REFUSED: Final[dict[str, tuple[int | None, int | None]]] = {
    "execve": (59, 221),
    "execveat": (322, 281),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "unshare": (272, 97),
    "setns": (308, 268),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "lookup_dcookie": (212, 18),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    "personality": (135, 92),
    "vhangup": (153, 58),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "memfd_secret": (447, 447),
}
"""What is refused: name → number on (x86_64, aarch64), None where the machine has no such call."""


_STARTS_PROGRAMS: Final = frozenset({"execve", "execveat"})


class Instruction(NamedTuple):
    """One `struct sock_filter`: operation, jump if true, jump if false, operand."""

    code: int
    jump_true: int
    jump_false: int
    operand: int


def _argument(index: int) -> Instruction:
    """Loads the low half of argument `index` (both machines are little endian)."""
    return Instruction(_LOAD, 0, 0, 16 + 8 * index)


def _guarded(number: int, body: list[Instruction]) -> list[Instruction]:
    """`body`, which must end in a return, run for the system call `number` alone."""
    return [Instruction(_EQUAL, 0, len(body), number), *body]


def _answer(value: int) -> Instruction:
    return Instruction(_RETURN, 0, 0, value)


def _one_of(values: list[int], *, otherwise: int, then: list[Instruction]) -> list[Instruction]:
    """`then` where the accumulator is one of `values`, else the answer `otherwise`."""
    tests = [Instruction(_EQUAL, len(values) - position, 0, value) for position, value in enumerate(values)]
    return [*tests, _answer(otherwise), *then]


def _socket_rules(families: list[int]) -> list[Instruction]:
    kinds = [int(socket.SOCK_STREAM), int(socket.SOCK_DGRAM)]
    if families == [int(socket.AF_UNIX)]:
        kinds.append(int(socket.SOCK_SEQPACKET))
    return [
        _argument(0),
        *_one_of(
            families,
            otherwise=_REFUSE,
            then=[
                _argument(1),
                Instruction(_AND, 0, 0, 0xF),
                *_one_of(kinds, otherwise=_REFUSE, then=[_answer(_ALLOW)]),
            ],
        ),
    ]


def program(machine: str, *, inet: bool, unix: bool = True, programs: bool = False) -> list[Instruction]:
    """The filter for `machine` (`x86_64` or `aarch64`).

    `inet` allows inet sockets: only where the network namespace is an empty one, so that they reach loopback alone.
    Without `unix` no Unix socket can be made but a connected pair: those of other programs stay out of reach, wherever
    they lie. `programs` allows to start some.
    """
    column = 0 if machine == "x86_64" else 1
    families = [int(socket.AF_UNIX)] if unix else []
    if inet:
        families += [int(socket.AF_INET), int(socket.AF_INET6)]
    instructions = [
        Instruction(_LOAD, 0, 0, _OFFSET_MACHINE),
        Instruction(_EQUAL, 1, 0, _AUDIT_MACHINES[machine]),
        _answer(_KILL),
        Instruction(_LOAD, 0, 0, _OFFSET_NUMBER),
    ]
    if machine == "x86_64":
        instructions += [Instruction(_GREATER_EQUAL, 0, 1, _X32_BIT), _answer(_REFUSE)]
    for name, numbers in REFUSED.items():
        number = numbers[column]
        if number is not None and not (programs and name in _STARTS_PROGRAMS):
            instructions += _guarded(number, [_answer(_REFUSE)])
    instructions += _guarded(_CLONE3, [_answer(_UNKNOWN)])
    instructions += _guarded(
        _CHECKED["clone"][column],
        [_argument(0), Instruction(_ANY_BIT, 0, 1, _NEW_NAMESPACES), _answer(_REFUSE), _answer(_ALLOW)],
    )
    instructions += _guarded(_CHECKED["socket"][column], _socket_rules(families))
    instructions += _guarded(_CHECKED["socketpair"][column], _socket_rules([int(socket.AF_UNIX)]))
    for call, argument, values in (
        ("ioctl", 1, [_TIOCSTI, _TIOCLINUX]),
        ("prctl", 0, [kernel.PR_SET_PDEATHSIG, kernel.PR_SET_DUMPABLE]),
    ):
        body = [_argument(argument), *_one_of(values, otherwise=_ALLOW, then=[_answer(_REFUSE)])]
        instructions += _guarded(_CHECKED[call][column], body)
    return [*instructions, _answer(_ALLOW)]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def encode(instructions: list[Instruction]) -> bytes:
    """The program as the kernel reads it: 8 bytes an instruction."""
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in instructions)


def install(code: bytes) -> None:
    """Puts this process, and all it forks, under the filter for good. Needs no_new_privs."""
    buffer = ctypes.create_string_buffer(code, len(code))
    filter_program = _Program(len(code) // 8, ctypes.addressof(buffer))
    kernel.prctl(kernel.PR_SET_SECCOMP, 2, ctypes.addressof(filter_program))
