"""Hostile code inside a sandbox: each thing that it tries is refused. The code runs in a worker's own process."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import ProcessBench

REFUSED = {errno.EPERM, errno.EACCES}
NOT_THERE = {errno.ENOENT, errno.ENETUNREACH, errno.ECONNREFUSED, errno.ENOTDIR, errno.EHOSTUNREACH}
SYSCALL = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def call(number, *arguments):
    answer = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return answer
"""


async def errno_of(sandbox: ProcessBench, source: str) -> int:
    launched = await sandbox.started("prober")
    try:
        answer = await sandbox.run_inside(launched, source)
    finally:
        await sandbox.launcher.stop(launched.instance_id, 2)
    assert "result" not in answer, f"it went through: {answer}"
    assert answer["errno"] is not None, answer["text"]
    return answer["errno"]


async def result_of(sandbox: ProcessBench, source: str) -> object:
    launched = await sandbox.started("prober")
    try:
        answer = await sandbox.run_inside(launched, source)
    finally:
        await sandbox.launcher.stop(launched.instance_id, 2)
    assert "result" in answer, answer.get("text")
    return answer["result"]


async def test_every_protection_of_this_machine_is_observed_from_inside(sandbox: ProcessBench):
    off = [item.name for item in await sandbox.launcher.protections() if not item.on]
    assert off == []


@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6"])
async def test_a_listener_on_the_hosts_loopback_cannot_be_reached(sandbox: ProcessBench, family: str):
    kind = getattr(socket, family)
    address = "127.0.0.1" if family == "AF_INET" else "::1"
    with socket.socket(kind, socket.SOCK_STREAM) as listener:
        listener.bind((address, 0))
        listener.listen()
        port = listener.getsockname()[1]
        source = f"import socket; socket.socket(socket.{family}).connect(({address!r}, {port}))"
        assert await errno_of(sandbox, source) in NOT_THERE
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.parametrize("address", ["1.1.1.1", "169.254.169.254", "10.0.0.1", "192.168.1.1"])
async def test_no_address_of_any_network_can_be_reached(sandbox: ProcessBench, address: str):
    tcp = f"import socket; s = socket.socket(); s.settimeout(3); s.connect(({address!r}, 80))"
    assert await errno_of(sandbox, tcp) in NOT_THERE
    udp = f"import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ({address!r}, 53))"
    assert await errno_of(sandbox, udp) in NOT_THERE


@pytest.mark.parametrize(
    "arguments",
    [
        "40, socket.SOCK_STREAM",  # AF_VSOCK: reaches the hypervisor through any network namespace
        "socket.AF_PACKET, socket.SOCK_RAW",
        "socket.AF_NETLINK, socket.SOCK_RAW",
        "socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP",
        "socket.AF_INET6, socket.SOCK_RAW, 58",
        "38, socket.SOCK_SEQPACKET",  # AF_ALG
        "31, socket.SOCK_STREAM",  # AF_BLUETOOTH
        "44, socket.SOCK_RAW",  # AF_XDP
    ],
)
async def test_other_kinds_of_sockets_cannot_be_made(sandbox: ProcessBench, arguments: str):
    assert await errno_of(sandbox, f"import socket; socket.socket({arguments})") == errno.EPERM


async def test_loopback_inside_the_sandbox_works_for_forwarders_of_its_own(sandbox: ProcessBench):
    source = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname(), 3)
client.sendall(b"hello")
result = listener.accept()[0].recv(5).decode()
"""
    assert await result_of(sandbox, source) == "hello"


@pytest.mark.parametrize(
    "attempt",
    [
        "os.mkdir(folder + '/x')",
        "os.mkfifo(folder + '/x')",
        "open(folder + '/x', 'w')",
        "os.symlink('/run/kgents/door/door.sock', folder + '/x')",
        "open('/scratch/x', 'w').close(); os.rename('/scratch/x', folder + '/x')",
    ],
)
async def test_nothing_but_its_socket_can_be_made_where_the_host_looks(sandbox: ProcessBench, attempt: str):
    assert await errno_of(sandbox, f"import os; folder = '/run/kgents/instance'; {attempt}") in {*REFUSED, errno.EXDEV}


async def test_another_agents_socket_is_out_of_reach(sandbox: ProcessBench):
    neighbour = await sandbox.started("neighbour")
    path = neighbour.endpoint_url.removeprefix("unix:")
    assert await sandbox.answers(neighbour)
    source = f"import socket; socket.socket(socket.AF_UNIX).connect({path!r})"
    assert await errno_of(sandbox, source) in NOT_THERE
    listing = "import os; result = sorted(os.listdir('/run/kgents')), os.listdir('/run/kgents/instance')"
    assert await result_of(sandbox, listing) == [["door", "instance"], ["worker.sock"]]
    await sandbox.launcher.stop(neighbour.instance_id, 2)


async def test_abstract_sockets_of_the_host_are_out_of_reach(sandbox: ProcessBench):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("\0kgents-test-abstract")
        listener.listen()
        source = "import socket; socket.socket(socket.AF_UNIX).connect('\\0kgents-test-abstract')"
        assert await errno_of(sandbox, source) in REFUSED | NOT_THERE


async def test_the_door_is_the_one_thing_that_can_be_reached(sandbox: ProcessBench):
    path = sandbox.home / "door" / "door.sock"
    answered = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"welcome")
        writer.close()
        answered.set()

    server = await asyncio.start_unix_server(answer, str(path))
    path.chmod(0o666)
    source = """
import socket
door = socket.socket(socket.AF_UNIX)
door.connect(config.door.removeprefix("unix:"))
result = door.recv(7).decode()
"""
    assert await result_of(sandbox, source) == "welcome"
    assert answered.is_set()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("path", ["/etc/shadow", "/etc/ssh", "/etc/machine-id", "/home", "/var", "/boot", "/sys"])
async def test_files_of_the_host_are_not_there(sandbox: ProcessBench, path: str):
    assert await errno_of(sandbox, f"import os; os.stat({path!r})") in NOT_THERE | REFUSED


async def test_of_the_folders_above_the_code_nothing_else_is_there(sandbox: ProcessBench):
    source = """
import os, sys
result = {}
for entry in [sys.base_prefix, *sys.path]:
    while (entry := os.path.dirname(entry)) != "/":
        result[entry] = os.listdir(entry) if os.path.isdir(entry) else []
"""
    seen = await result_of(sandbox, source)
    assert isinstance(seen, dict)
    hidden = {".ssh", ".bash_history", ".bashrc", ".profile", ".cache", ".git", "conftest.py", "uv.lock", "locks"}
    assert [folder for folder, names in seen.items() if hidden & set(names)] == []


async def test_the_password_file_is_the_sandboxes_own(sandbox: ProcessBench):
    text = await result_of(sandbox, "result = open('/etc/passwd').read()")
    assert text == "agent:x:1000:1000::/scratch:/nonexistent\n"


async def test_the_platforms_home_and_secrets_are_not_there(sandbox: ProcessBench):
    secret = sandbox.home / "secrets" / "signing-key.pem"
    secret.parent.mkdir(exist_ok=True)
    secret.write_text("canary", encoding="utf-8")
    for path in (secret, sandbox.home, sandbox.home / "run", sandbox.home / "logs"):
        assert await errno_of(sandbox, f"import os; os.stat({str(path)!r})") in NOT_THERE


async def test_no_file_of_the_whole_tree_holds_a_canary_of_the_host(sandbox: ProcessBench):
    canary = sandbox.home / "canary.txt"
    canary.write_text("x", encoding="utf-8")
    found = "import os; result = [d for d, _, names in os.walk('/') if 'canary.txt' in names or '.git' in names]"
    assert await result_of(sandbox, found) == []


@pytest.mark.parametrize("path", ["/x", "/etc/passwd", "/run/kgents/x", "/run/kgents/door/x", "/dev/x"])
async def test_nothing_but_the_scratch_and_the_own_folder_can_be_written(sandbox: ProcessBench, path: str):
    assert await errno_of(sandbox, f"open({path!r}, 'w')") in REFUSED | {errno.EROFS}


async def test_the_code_cannot_be_changed(sandbox: ProcessBench):
    source = "import kgents_shared; open(kgents_shared.__file__, 'a')"
    assert await errno_of(sandbox, source) in REFUSED | {errno.EROFS}


async def test_scratch_can_be_written_up_to_its_size(sandbox: ProcessBench):
    source = "open('/scratch/x', 'w').write('hello'); result = open('/scratch/x').read()"
    assert await result_of(sandbox, source) == "hello"
    flood = "f = open('/scratch/big', 'wb'); [f.write(b'x' * 1048576) for _ in range(100)]; f.flush()"
    assert await errno_of(sandbox, flood) in {errno.ENOSPC, errno.EFBIG}


async def test_only_the_sandboxes_own_processes_can_be_seen(sandbox: ProcessBench):
    source = "import os; result = sorted(int(name) for name in os.listdir('/proc') if name.isdigit())"
    assert await result_of(sandbox, source) == [1]
    for path in ("/proc/sys", "/proc/kallsyms", "/proc/config.gz", "/proc/sysrq-trigger", "/proc/net/../sys"):
        assert await errno_of(sandbox, f"import os; os.stat({path!r})") in NOT_THERE | REFUSED


async def test_a_process_of_the_host_cannot_be_signalled(sandbox: ProcessBench):
    source = f"import os; os.kill({os.getpid()}, 0)"
    assert await errno_of(sandbox, source) in {errno.ESRCH, errno.EPERM}


@pytest.mark.parametrize(
    ("call", "number", "arguments"),
    [
        ("mount", 165, "b'none', b'/scratch', b'tmpfs', 0, 0"),
        ("umount2", 166, "b'/scratch', 2"),
        ("fsopen", 430, "b'tmpfs', 0"),
        ("open_tree", 428, "-100, b'/', 1"),
        ("pivot_root", 155, "b'/scratch', b'/scratch'"),
        ("chroot", 161, "b'/scratch'"),
        ("ptrace", 101, "0, 0, 0, 0"),
        ("process_vm_readv", 310, "1, 0, 0, 0, 0, 0"),
        ("pidfd_getfd", 438, "0, 0, 0"),
        ("bpf", 321, "0, 0, 0"),
        ("keyctl", 250, "0, 0, 0"),
        ("add_key", 248, "b'user', b'x', b'y', 1, -1"),
        ("unshare", 272, "0x10000000"),
        ("setns", 308, "0, 0"),
        ("io_uring_setup", 425, "1, 0"),
        ("userfaultfd", 323, "0"),
        ("perf_event_open", 298, "0, 0, 0, 0, 0"),
        ("kexec_load", 246, "0, 0, 0, 0"),
        ("init_module", 175, "0, 0, b''"),
        ("open_by_handle_at", 304, "0, 0, 0"),
        ("execve", 59, "b'/usr/bin/env', 0, 0"),
        ("clone with new namespaces", 56, "0x10000011, 0, 0, 0, 0"),
        ("personality", 135, "0xffffffff"),
        ("x32 getpid", 0x40000027, ""),
    ],
)
async def test_dangerous_system_calls_are_refused(sandbox: ProcessBench, call: str, number: int, arguments: str):
    assert os.uname().machine == "x86_64", f"{call} has another number here"
    assert await errno_of(sandbox, f"{SYSCALL}\nresult = call({number}, {arguments})") == errno.EPERM


async def test_clone3_is_unknown_so_that_flags_out_of_sight_cannot_pass(sandbox: ProcessBench):
    assert await errno_of(sandbox, f"{SYSCALL}\nresult = call(435, 0, 0)") == errno.ENOSYS


async def test_the_protections_cannot_be_taken_off_again(sandbox: ProcessBench):
    for option, argument in ((1, 0), (4, 1)):  # PR_SET_PDEATHSIG, PR_SET_DUMPABLE
        assert await errno_of(sandbox, f"{SYSCALL}\nresult = call(157, {option}, {argument}, 0, 0, 0)") == errno.EPERM
    assert await errno_of(sandbox, "import os; os.setuid(0)") in REFUSED | {errno.EINVAL}
    raised = "import resource; resource.setrlimit(resource.RLIMIT_NPROC, (4096, 4096))"
    launched = await sandbox.started()
    assert (await sandbox.run_inside(launched, raised))["error"] == "ValueError"
    await sandbox.launcher.stop(launched.instance_id, 2)


async def test_no_device_of_the_host_is_there(sandbox: ProcessBench):
    devices = await result_of(sandbox, "import os; result = sorted(os.listdir('/dev'))")
    assert devices == ["fd", "full", "null", "random", "stderr", "stdout", "urandom", "zero"]
    assert (
        await errno_of(sandbox, "import os, stat; os.mknod('/scratch/vda', stat.S_IFBLK | 0o600, os.makedev(254, 0))")
        in REFUSED
    )


async def test_no_descriptor_of_the_server_is_inherited(sandbox: ProcessBench):
    source = """
import os
folder = "/proc/self/fd/"
result = [os.readlink(folder + n) for n in os.listdir(folder) if os.path.exists(folder + n)]
"""
    found = await result_of(sandbox, source)
    assert isinstance(found, list)
    strange = [
        item for item in found if not str(item).startswith(("socket:", "pipe:", "anon_inode:", "/dev/null", "/proc/"))
    ]
    assert strange == []


async def test_two_children_of_one_server_have_different_random_numbers(sandbox: ProcessBench):
    source = "import random; result = random.random()"
    assert await result_of(sandbox, source) != await result_of(sandbox, source)
