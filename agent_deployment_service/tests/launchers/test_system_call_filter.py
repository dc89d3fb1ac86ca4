"""The filter's program, interpreted as the kernel would, for both machines; the sandbox tests try it on this one."""

from __future__ import annotations

import errno
import socket

import pytest

from kgents_shared.isolation import seccomp
from kgents_shared.isolation.seccomp import REFUSED, Instruction, encode, program

ALLOW, KILL = 0x7FFF0000, 0x80000000
EPERM, ENOSYS = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
NUMBERS = {
    "x86_64": {"read": 0, "clone": 56, "socket": 41, "socketpair": 53, "ioctl": 16, "prctl": 157},
    "aarch64": {"read": 63, "clone": 220, "socket": 198, "socketpair": 199, "ioctl": 29, "prctl": 167},
}


def run(instructions: list[Instruction], machine: int, number: int, *arguments: int) -> int:
    """A classic BPF machine with what the filter uses; `struct seccomp_data` as in linux/seccomp.h."""
    words = {0: number, 4: machine} | {16 + 8 * index: value for index, value in enumerate(arguments)}
    position = accumulator = 0
    while True:
        code, jump_true, jump_false, operand = instructions[position]
        position += 1
        if code == 0x20:
            accumulator = words.get(operand, 0) & 0xFFFFFFFF
        elif code == 0x54:
            accumulator &= operand
        elif code == 0x06:
            return operand
        else:
            test = {0x15: accumulator == operand, 0x35: accumulator >= operand, 0x45: bool(accumulator & operand)}
            position += jump_true if test[code] else jump_false


@pytest.fixture(params=["x86_64", "aarch64"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def answer(name: str, call: str, *arguments: int, inet: bool = True) -> int:
    return run(program(name, inet=inet), MACHINES[name], NUMBERS[name][call], *arguments)


def test_every_refused_call_is_refused_and_an_ordinary_one_passes(name: str):
    instructions = program(name, inet=True)
    for call, (on_x86, on_arm) in REFUSED.items():
        number = on_x86 if name == "x86_64" else on_arm
        if number is not None:
            assert run(instructions, MACHINES[name], number) == EPERM, call
    assert answer(name, "read") == ALLOW


def test_another_machines_calls_end_the_process(name: str):
    other = next(value for key, value in MACHINES.items() if key != name)
    assert run(program(name, inet=True), other, 0) == KILL


def test_the_second_set_of_numbers_of_the_x86_kernel_is_refused():
    assert run(program("x86_64", inet=True), MACHINES["x86_64"], 0x40000000) == EPERM


@pytest.mark.parametrize(
    ("family", "kind", "allowed"),
    [
        (socket.AF_UNIX, socket.SOCK_STREAM, True),
        (socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, True),
        (socket.AF_INET, socket.SOCK_STREAM, True),
        (socket.AF_INET6, socket.SOCK_DGRAM, True),
        (socket.AF_INET, socket.SOCK_RAW, False),
        (socket.AF_INET, socket.SOCK_SEQPACKET, False),
        (socket.AF_PACKET, socket.SOCK_RAW, False),
        (socket.AF_NETLINK, socket.SOCK_RAW, False),
        (40, socket.SOCK_STREAM, False),
    ],
)
def test_sockets_pass_by_family_and_kind(name: str, family: int, kind: int, allowed: bool):
    assert answer(name, "socket", int(family), int(kind)) == (ALLOW if allowed else EPERM)


def test_without_a_network_namespace_only_unix_sockets_pass(name: str):
    assert answer(name, "socket", int(socket.AF_UNIX), int(socket.SOCK_SEQPACKET), inet=False) == ALLOW
    assert answer(name, "socket", int(socket.AF_INET), int(socket.SOCK_STREAM), inet=False) == EPERM
    assert answer(name, "socketpair", int(socket.AF_UNIX), int(socket.SOCK_STREAM)) == ALLOW
    assert answer(name, "socketpair", int(socket.AF_INET), int(socket.SOCK_STREAM)) == EPERM


def test_a_program_may_start_others_and_reach_no_unix_socket_where_that_is_asked_for(name: str):
    instructions = program(name, inet=True, unix=False, programs=True)

    def told(number: int, *arguments: int) -> int:
        return run(instructions, MACHINES[name], number, *arguments)

    column = 0 if name == "x86_64" else 1
    for call, numbers in REFUSED.items():
        number = numbers[column]
        if number is not None:
            assert told(number) == (ALLOW if call in ("execve", "execveat") else EPERM), call
    family = {"unix": int(socket.AF_UNIX), "inet": int(socket.AF_INET)}
    assert told(NUMBERS[name]["socket"], family["unix"], int(socket.SOCK_STREAM)) == EPERM
    assert told(NUMBERS[name]["socketpair"], family["unix"], int(socket.SOCK_STREAM)) == ALLOW
    assert told(NUMBERS[name]["socket"], family["inet"], int(socket.SOCK_STREAM)) == ALLOW


def test_a_fork_passes_and_a_fork_into_new_namespaces_does_not(name: str):
    assert answer(name, "clone", 0x01200011) == ALLOW
    assert answer(name, "clone", 0x003D0F00) == ALLOW  # a thread
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert answer(name, "clone", 0x11 | flag) == EPERM
    assert run(program(name, inet=True), MACHINES[name], 435) == ENOSYS


def test_of_ioctl_and_prctl_only_the_dangerous_ones_are_refused(name: str):
    assert [answer(name, "ioctl", 0, request) for request in (0x5412, 0x541C, 0x5401)] == [EPERM, EPERM, ALLOW]
    assert [answer(name, "prctl", option) for option in (1, 4, 15)] == [EPERM, EPERM, ALLOW]


def test_the_program_fits_what_the_kernel_takes(name: str):
    instructions = program(name, inet=True)
    assert len(encode(instructions)) == 8 * len(instructions)
    assert len(instructions) < 4096
    assert all(0 <= item.jump_true < 256 and 0 <= item.jump_false < 256 for item in instructions)
    assert seccomp.REFUSED.keys() >= {"execve", "mount", "ptrace", "bpf", "keyctl", "unshare", "setns"}
