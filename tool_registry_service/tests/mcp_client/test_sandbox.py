"""From inside the sandbox of a stdio server: what GUARANTEES says that it can't reach, and what it may use."""

import asyncio
import json
import os
import socket
import sys
import uuid
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import pytest

from tests.external import locked_out
from tool_registry_service.errors import NeverSent
from tool_registry_service.mcp_client import sandbox as sandbox_module
from tool_registry_service.mcp_client.sandbox import Protection, StdioSandbox
from tool_registry_service.settings import StdioCommand

PROGRAM = Path(locked_out.__file__)
REFUSED = "Operation not permitted"


@pytest.fixture(params=[Protection.BUBBLEWRAP, Protection.NAMESPACES])
async def sandbox(request: pytest.FixtureRequest, tmp_path: Path) -> StdioSandbox:
    made = StdioSandbox([tmp_path / "hidden", tmp_path / "config.toml"], at_most=request.param)
    if await made.protection() is not request.param:
        pytest.skip(f"{request.param} does not hold on this machine")
    return made


@pytest.fixture
def unix_sockets(tmp_path: Path) -> Generator[dict[str, str]]:
    """Two that listen, as those of a container engine and of a desktop do."""
    there = {"socket": f"/tmp/{uuid.uuid4().hex}.sock", "abstract": uuid.uuid4().hex}  # noqa: S108 -- a short path
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as other:
        one.bind(there["socket"])
        other.bind("\0" + there["abstract"])
        one.listen()
        other.listen()
        yield there
    Path(there["socket"]).unlink()


@pytest.fixture
async def port() -> AsyncGenerator[int]:
    """Of something that listens at every address of this machine."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "0.0.0.0", 0)  # noqa: S104 -- it is to be out of reach
    async with server:
        yield int(server.sockets[0].getsockname()[1])


def a_disk() -> str:
    """A block device of this machine, or a device that is none of the harmless ones."""
    disks = (path for path in sorted(Path("/dev").iterdir()) if path.is_block_device())
    return str(next(disks, "/dev/tty"))


def own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.2"
        return str(probe.getsockname()[0])


async def output_of(argv: list[str], environment: dict[str, str]) -> tuple[str, str, int | None]:
    process = await asyncio.create_subprocess_exec(
        *argv, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    return out.decode(), err.decode(), process.returncode


async def test_from_inside_nothing_of_the_machine_is_reached(
    sandbox: StdioSandbox, tmp_path: Path, unix_sockets: dict[str, str], port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KGENTS_CANARY", "canary")
    for name in ("hidden", "outside", "writable"):
        (tmp_path / name).mkdir()
    (tmp_path / "hidden" / "admin.json").write_text("canary")
    (tmp_path / "config.toml").write_text("canary")
    (tmp_path / "outside" / "notes.txt").write_text("canary")
    told: dict[str, Any] = {
        "code": sandbox_module.__file__,
        "port": port, "address": own_address(), "device": a_disk(), "file": str(tmp_path / "config.toml"),
        **{name: str(tmp_path / name) for name in ("hidden", "outside", "writable")}, **unix_sockets,
    }  # fmt: skip
    words = ("-I", str(PROGRAM), json.dumps(told))
    entry = StdioCommand(command=Path(sys.executable), args=words, writable=(tmp_path / "writable",))
    out, err, _ = await output_of(await sandbox.argv(entry, ()), sandbox.environment(entry))
    assert out, err
    found = json.loads(out)
    tries: dict[str, str] = found["tries"]
    reached = {name for name, outcome in tries.items() if outcome in ("reached", "canary", "1")}
    assert reached == {"writes where it may", "writes in its scratch", "its own programs"}
    for name in ("unix socket", "abstract socket", "host of the machine", "packets", "mounts", "uncovers"):
        assert tries[name] == REFUSED, name
    assert tries["new namespaces"] == tries["looks into its parent"] == REFUSED
    for name in ("hidden folder", "another's file", "passwords", "homes", "writes outside"):
        assert tries[name] == "No such file or directory", name
    assert tries["hidden file"] in ("No such file or directory", "Permission denied")
    assert tries["the platform's code"] == "No such file or directory"
    assert tries["kernel settings"] == "Read-only file system"
    assert "canary" not in out
    assert not (tmp_path / "outside" / "made").exists()
    assert (tmp_path / "writable" / "made").read_text() == "x"
    assert str(os.getpid()) not in found["others"]
    assert found["status"] == {
        "CapEff": "0" * 16, "CapPrm": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2",
    }  # fmt: skip


async def test_processes_and_open_files_of_a_server_are_bounded(sandbox: StdioSandbox) -> None:
    limits = "(r.RLIMIT_NPROC, r.RLIMIT_NOFILE, r.RLIMIT_CORE)"
    program = f"import resource as r; print([r.getrlimit(k)[0] for k in {limits}])"
    entry = StdioCommand(command=Path(sys.executable), args=("-I", "-c", program), processes=17)
    out, err, _ = await output_of(await sandbox.argv(entry, ()), sandbox.environment(entry))
    assert out.strip() == "[17, 4096, 0]", err


async def test_where_nothing_holds_a_server_with_a_proxy_is_not_started() -> None:
    sandbox = StdioSandbox(at_most=Protection.NONE)
    with pytest.raises(NeverSent, match="can't cut a server off from the network"):
        await sandbox.argv(StdioCommand(command=Path("/bin/true"), network="proxy"), ())


@pytest.mark.parametrize(
    ("said", "network"), [("none", "none"), (False, "none"), (True, "open"), ("open", "open"), ("proxy", "proxy")]
)
def test_an_entry_says_what_network_there_is(said: object, network: str) -> None:
    assert StdioCommand.model_validate({"command": "/bin/true", "network": said}).network == network


@pytest.mark.parametrize(
    "given", [{"network": "none", "hosts": ["example.com"]}, {"network": "proxy", "hosts": ["http://example.com"]}]
)
def test_hosts_are_names_and_go_with_a_proxy(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="hosts"):
        StdioCommand.model_validate({"command": "/bin/true", **given})
