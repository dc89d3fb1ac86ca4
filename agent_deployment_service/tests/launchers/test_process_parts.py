"""The parts of the process launcher that work outside a sandbox as well."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from agent_deployment_service.launchers.process import landlock, verification, wire
from agent_deployment_service.launchers.process.code_trees import read_only_trees
from agent_deployment_service.launchers.process.limits import Limits
from agent_deployment_service.launchers.process.logs import BURST_BYTES, LogPipe
from kgents_shared.isolation.cgroups import CgroupTree


@pytest.fixture
def pair() -> Generator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_a_message_arrives_with_its_descriptors(pair: tuple[socket.socket, socket.socket]):
    reader, writer = os.pipe()
    wire.send(pair[0], {"op": "launch", "text": "ä" * 2000}, (writer,))
    received = wire.receive(pair[1])
    assert received is not None
    assert received.body == {"op": "launch", "text": "ä" * 2000}
    os.write(received.descriptors[0], b"through")
    assert os.read(reader, 10) == b"through"
    assert not os.get_inheritable(received.descriptors[0])
    for descriptor in (reader, writer, *received.descriptors):
        os.close(descriptor)


def test_the_end_of_the_channel_is_none_and_half_a_message_is_a_fault(pair: tuple[socket.socket, socket.socket]):
    pair[0].sendall(wire.encode({"op": "x"})[:-1])
    pair[0].shutdown(socket.SHUT_WR)
    with pytest.raises(EOFError):
        wire.receive(pair[1])
    assert wire.receive(pair[1]) is None


def test_a_message_that_is_too_long_is_refused(pair: tuple[socket.socket, socket.socket]):
    pair[0].sendall((1 << 30).to_bytes(4, "big"))
    with pytest.raises(ValueError, match="1073741824 bytes"):
        wire.receive(pair[1])


def test_messages_are_found_however_the_bytes_come():
    data = wire.encode({"n": 1}) + wire.encode({"n": 2})
    decoder = wire.Decoder()
    found = [message for index in range(len(data)) for message in decoder.feed(data[index : index + 1])]
    assert found == [{"n": 1}, {"n": 2}]


def test_only_code_is_shown_to_a_sandbox_and_nothing_that_holds_the_platforms_state():
    trees = read_only_trees(Path("/root/.kgents/run"))
    shown = [str(tree) for tree in trees]
    assert all(Path(entry).exists() for entry in shown)
    for forbidden in ("/", "/root", "/home", "/etc", "/usr", "/var", str(Path(sys.prefix))):
        assert forbidden not in shown
    site = next(Path(entry) for entry in sys.path if entry.endswith("site-packages"))
    assert any(site.is_relative_to(tree) for tree in trees)


def test_a_tree_that_holds_the_platforms_state_is_left_out():
    site = next(Path(entry) for entry in sys.path if entry.endswith("site-packages"))
    trees = read_only_trees(site / "somewhere" / "run")
    assert not any(site.is_relative_to(tree) for tree in trees)


def test_outside_a_sandbox_no_wall_is_claimed():
    before = verification.baseline()
    observed = verification.observe(before, None, isolated=False)
    claimed = {name for name, on in observed.items() if on}
    assert claimed <= {"no_capabilities", "no_new_privileges"}, "unless the tests themselves run without privileges"


def test_a_control_group_is_made_limited_and_removed():
    tree = CgroupTree.find("kgents-test-parts")
    if tree is None:
        pytest.skip("this user may not make control groups")
    group = tree.create("one", processes=64)
    tree.limit(group, memory_mb=64)
    limits = [path.read_text().strip() for folder in group.folders for path in folder.glob("memory.*limit_in_bytes")]
    limits += [path.read_text().strip() for folder in group.folders for path in folder.glob("memory.max")]
    assert "memory" not in group.controllers or str(64 * 1024 * 1024) in limits
    assert not group.out_of_memory()
    group.remove()
    assert not any(folder.exists() for folder in group.folders)
    tree.remove()
    assert not any(folder.exists() for folder in tree.folders.values())


def test_the_scratch_folder_is_a_part_of_the_memory_that_an_agent_may_use():
    assert [Limits(memory_mb=size).scratch_mb for size in (64, 128, 8192)] == [16, 32, 64]


def test_what_may_be_written_excludes_running_programs_and_making_devices():
    rights = landlock.writable_rights(3)
    assert rights & landlock.WRITE_FILE
    assert not rights & landlock.EXECUTE
    assert not rights & ((1 << 6) | (1 << 11))


async def test_a_log_is_bounded_and_says_what_it_dropped(short_folder: Callable[[], Path]):
    now = [0.0]
    path = short_folder() / "agent.log"
    pipe = LogPipe(path, lambda: now[0])
    pipe.open()
    line = b"x" * 1023 + b"\n"
    for _ in range(BURST_BYTES // len(line) + 10):
        os.write(pipe.writer, line)
        pipe._read()  # pyright: ignore[reportPrivateUsage]  what the loop calls when the pipe is readable
    now[0] = 60.0
    os.write(pipe.writer, b"later\n")
    pipe.close_writer()
    pipe.close()
    text = path.read_text(encoding="utf-8")
    assert "[10240 bytes dropped: the agent wrote too fast]\nlater\n" in text
    assert len(text) < BURST_BYTES + 100
