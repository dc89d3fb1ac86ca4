"""What a stdio server can and can't do, and how it is kept."""

import asyncio
import json
import os
import signal
import stat
import sys
from pathlib import Path
from typing import Any, Literal

import psutil
import pytest

from kgents_shared.testing.polling import eventually
from tests.external.running_registry import RunningRegistry, running_registry
from tests.external.scripted_mcp import stdio_words
from tool_registry_service.errors import AnswerTooLarge, ConnectionLost, NeverSent
from tool_registry_service.mcp_client.connection import McpConnection
from tool_registry_service.mcp_client.sandbox import Protection, StdioSandbox
from tool_registry_service.mcp_client.stdio import StdioProcess
from tool_registry_service.settings import StdioCommand

PROTECTIONS = [Protection.BUBBLEWRAP, Protection.NAMESPACES]


async def test_the_environment_is_bare(registry: RunningRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    monkeypatch.setenv("TOOLS_DATABASE_URL", "postgresql://canary")
    await registry.register_stdio()
    environment = json.loads((await registry.invoke("scripted.environment"))["content"])
    assert "canary" not in str(environment)
    assert {"HOME", "LANG", "PATH", "TMPDIR", "TZ"} <= set(environment)
    assert set(environment) <= {"HOME", "LANG", "PATH", "TMPDIR", "TZ", "PWD", "LC_CTYPE", "OLDPWD", "SHLVL", "_"}


async def listener() -> tuple[asyncio.Server, int]:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    return server, int(server.sockets[0].getsockname()[1])


@pytest.mark.parametrize("at_most", PROTECTIONS)
@pytest.mark.parametrize("network", ["none", "open"])
async def test_a_shut_in_server_sees_no_hidden_file_and_has_a_network_only_if_allowed(
    tmp_path: Path, at_most: Protection, network: Literal["none", "open"]
) -> None:
    hidden = tmp_path / "secrets"
    hidden.mkdir()
    (hidden / "admin.json").write_text("canary")
    single = tmp_path / "config.toml"
    single.write_text("canary")
    sandbox = StdioSandbox([hidden, single], at_most=at_most)
    if await sandbox.protection() is not at_most:
        pytest.skip(f"{at_most} does not hold on this machine")
    command, args = stdio_words(tmp_path)
    entry = StdioCommand(command=command, args=args, network=network)
    server, port = await listener()
    process = StdioProcess(await sandbox.argv(entry, ()), sandbox.environment(entry), 1_000_000)
    connection = McpConnection(process, connect_timeout_s=30)
    async with server:
        await connection.open()
        try:
            for file, outcome in ((hidden / "admin.json", "FileNotFoundError"), (single, "")):
                words = {"port": port, "file": str(file)}
                found = json.loads((await connection.call("locked_out", words, key="k", within_s=10)).text)
                assert found["file"] in (outcome, "PermissionError")
                assert (found["network"] == "reached") is (network == "open")
        finally:
            await connection.close()


async def test_where_nothing_holds_a_warning_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    sandbox = StdioSandbox(at_most=Protection.NONE)
    assert await sandbox.protection() is Protection.NONE
    assert "stdio_servers_not_isolated" in capsys.readouterr().out


@pytest.mark.parametrize("at_most", PROTECTIONS)
async def test_what_is_hidden_cannot_be_uncovered_by_root_either(tmp_path: Path, at_most: Protection) -> None:
    hidden = tmp_path / "secrets"
    hidden.mkdir()
    (hidden / "admin.json").write_text("canary")
    sandbox = StdioSandbox([hidden], at_most=at_most)
    if await sandbox.protection() is not at_most:
        pytest.skip(f"{at_most} does not hold on this machine")
    uncover = f"umount {hidden}; unshare -rm umount {hidden}; cat {hidden}/admin.json; grep CapEff /proc/self/status"
    argv = await sandbox.argv(StdioCommand(command=Path("/bin/sh"), args=("-c", uncover)), ())
    process = await asyncio.create_subprocess_exec(
        *argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    assert told.split() == [b"CapEff:", b"0000000000000000"]


async def test_a_command_in_a_hidden_folder_is_refused(tmp_path: Path) -> None:
    sandbox = StdioSandbox([tmp_path])
    with pytest.raises(NeverSent, match="may not see"):
        await sandbox.argv(StdioCommand(command=tmp_path / "server"), ())


@pytest.mark.parametrize("at_most", [*PROTECTIONS, Protection.NONE])
async def test_a_server_dies_with_the_process_that_started_it(tmp_path: Path, at_most: Protection) -> None:
    """A parent that is killed with -9 leaves nothing behind."""
    if await StdioSandbox(at_most=at_most).protection() is not at_most:
        pytest.skip(f"{at_most} does not hold on this machine")
    marker = f"{600 + os.getpid()}.25"
    program = tmp_path / "parent.py"
    program.write_text(
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from tool_registry_service.mcp_client.sandbox import Protection, StdioSandbox\n"
        "from tool_registry_service.settings import StdioCommand\n"
        "async def main():\n"
        f"    sandbox = StdioSandbox(at_most=Protection({at_most.value!r}))\n"
        f"    argv = await sandbox.argv(StdioCommand(command=Path('/bin/sleep'), args=({marker!r},)), ())\n"
        "    process = await asyncio.create_subprocess_exec(*argv, start_new_session=True)\n"
        "    await process.wait()\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, str(program))

    def sleeping() -> bool:
        lines = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
        return any(line[-2:] == ["/bin/sleep", marker] for line in lines)

    await eventually(sleeping, describe="the server runs")
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    await eventually(lambda: not sleeping(), describe="the server ended with its parent")


def script(folder: Path, text: str) -> StdioProcess:
    file = folder / "server.sh"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return StdioProcess([str(file)], {"PATH": "/usr/bin:/bin"}, 10_000)


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ("echo wrong thing >&2; exit 4", ConnectionLost, "wrong thing"),
        ("head -c 30000 /dev/zero; exec sleep 60", AnswerTooLarge, "over 10000 bytes"),
        ("yes nonsense", ConnectionLost, "aren't MCP"),
    ],
)
async def test_a_process_that_does_not_keep_to_the_protocol_is_ended(
    tmp_path: Path, text: str, kind: type[Exception], says: str
) -> None:
    connection = McpConnection(script(tmp_path, text), connect_timeout_s=20)
    with pytest.raises(kind, match=says):
        await connection.open()
    assert not connection.is_open


async def test_a_process_that_says_nothing_is_given_up_in_time(tmp_path: Path) -> None:
    connection = McpConnection(script(tmp_path, "exec sleep 600"), connect_timeout_s=0.3)
    with pytest.raises(NeverSent):
        await connection.open()


async def test_a_server_that_can_not_start_is_tried_less_and_less_often(database_url: str, tmp_path: Path) -> None:
    program = tmp_path / "flaky"
    command, args = stdio_words(tmp_path)
    words = " ".join(f"'{word}'" for word in (str(command), *args))
    tries = tmp_path / "tries"
    program.write_text(f"#!/bin/sh\necho x >> {tries}\n[ -e {tmp_path}/broken ] && exit 1\nexec {words}\n")
    program.chmod(0o755)
    readable = [sys.prefix, sys.base_prefix, args[0]]
    allowed: dict[str, Any] = {"flaky": {"command": str(program), "readable": readable, "writable": [str(tmp_path)]}}
    async with running_registry(database_url, stdio_allowed=allowed) as registry:
        await registry.register_stdio("flaky", "flaky")
        (tmp_path / "broken").touch()
        await registry.invoke("flaky.die")

        async def is_left_alone() -> bool:
            return "it is tried again in" in (await registry.invoke("flaky.echo", {"text": "x"}))["content"]

        await eventually(is_left_alone, describe="the server is left alone for a while")
        before = tries.read_text()
        assert await is_left_alone()
        assert tries.read_text() == before


async def test_a_bubble_wrapped_server_writes_where_it_may_and_nowhere_else(tmp_path: Path) -> None:
    sandbox = StdioSandbox()
    if await sandbox.protection() is not Protection.BUBBLEWRAP:
        pytest.skip("bubblewrap does not hold on this machine")
    for writable in ((), (tmp_path,)):
        entry = StdioCommand(command=Path("/bin/touch"), args=(str(tmp_path / "made"),), writable=writable)
        process = await asyncio.create_subprocess_exec(
            *await sandbox.argv(entry, ()), stderr=asyncio.subprocess.DEVNULL
        )
        await process.wait()
        assert (tmp_path / "made").exists() is bool(writable)
