"""Stdio servers as the registry keeps them: their way out, their limits, their log, and what is told of them."""

import os
import sys
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydantic import SecretStr

from kgents_shared.isolation.cgroups import CgroupTree
from kgents_shared.testing.polling import eventually
from tests.external.one_answer import one_page
from tests.external.running_registry import RunningRegistry
from tests.external.scripted_mcp import ScriptedServer
from tool_registry_service.mcp_client.sandbox import Protection, StdioSandbox
from tool_registry_service.mcp_client.server_log import ServerLog
from tool_registry_service.mcp_client.stdio_servers import StdioReport, StdioServers
from tool_registry_service.mcp_client.targets import ServerTarget
from tool_registry_service.settings import StdioCommand, ToolsSettings


@asynccontextmanager
async def running(
    program: str, *, at_most: Protection | None = None, private: tuple[str, ...] = (), **entry: Any
) -> AsyncGenerator[tuple[StdioReport, list[Exception]]]:
    """A Python program as a server: what is known of it, which grows, and what ended it."""
    command = StdioCommand(command=Path(sys.executable), args=("-I", "-c", program), **entry)
    settings = ToolsSettings(
        database_url=SecretStr("postgresql://nowhere"), nats_url="nats://nowhere", client_secret=SecretStr("none"),
        stdio_allowed={"it": command}, ssrf_allowed_hosts=list(private),
    )  # fmt: skip
    sandbox = StdioSandbox(at_most=at_most or Protection.BUBBLEWRAP)
    if at_most is not None and await sandbox.protection() is not at_most:
        pytest.skip(f"{at_most} does not hold on this machine")
    servers = StdioServers(settings, sandbox)
    target = ServerTarget(uuid.uuid4(), "it", "stdio", command="it")
    ends: list[Exception] = []
    transport = await servers.transport(target)
    try:
        async with transport.streams(lambda error, request=None: ends.append(error)):
            yield await servers.report(target), ends
    finally:
        await servers.close()


async def line_of(report: StdioReport, beginning: str) -> str:
    """The rest of a line that the program writes."""

    async def found() -> str:
        return next((line.text for line in report.log.lines if line.text.startswith(beginning)), "")

    line: str = await eventually(found, describe=f"it says {beginning}")
    return line.removeprefix(beginning).strip()


OUT = """
import os, socket, sys, time, urllib.error, urllib.request
def said(name, what):
    try: text = what()
    except urllib.error.HTTPError as error: text = f"{error.code} {error.read().decode()}"
    except OSError as error: text = f"{type(error).__name__}"
    print(name, text.splitlines()[0], file=sys.stderr, flush=True)
def page(host): return lambda: urllib.request.urlopen(f"http://{host}:PORT/", timeout=10).read().decode()
said("listed:", page("localhost"))
said("private:", page("127.0.0.1"))
said("metadata:", page("169.254.169.254"))
said("direct:", lambda: socket.create_connection(("127.0.0.1", PORT), timeout=5))
said("name:", lambda: socket.gethostbyname("example.com"))
time.sleep(60)
"""


@pytest.mark.parametrize("at_most", [Protection.BUBBLEWRAP, Protection.NAMESPACES])
async def test_the_only_way_out_is_the_proxy_and_it_checks_addresses(at_most: Protection) -> None:
    async with one_page("<p>the page</p>") as address:
        program = OUT.replace("PORT", address.rpartition(":")[2])
        async with running(program, at_most=at_most, network="proxy", private=("localhost",)) as (report, _):
            names = ("listed", "private", "metadata", "direct", "name")
            said = {name: await line_of(report, f"{name}:") for name in names}
    assert said["listed"] == "<p>the page</p>"
    assert said["private"].startswith("403 127.0.0.1 is a loopback, private or reserved address")
    assert said["metadata"].startswith("403 169.254.169.254 is a loopback, private or reserved address")
    assert (said["direct"], said["name"]) == ("ConnectionRefusedError", "gaierror")
    assert (report.proxy.connections, report.proxy.refused) == (3, 2)


async def test_an_open_network_is_warned_of_at_each_start(capsys: pytest.CaptureFixture[str]) -> None:
    async with running("import time; time.sleep(60)", network="open") as (report, _):
        assert report.entry.network == "open"
    assert "stdio_server_on_the_open_network" in capsys.readouterr().out


async def test_a_server_that_takes_too_much_memory_is_ended_and_says_so() -> None:
    async with running("x = bytearray(900 << 20)", memory_mb=64) as (report, ends):
        if "memory" not in report.limits_of_all:
            pytest.skip("this user may not make control groups")
        await eventually(lambda: bool(ends), describe="it ended")
    assert "It used more memory than it may." in str(ends[0])
    assert report.log.last_end == "It used more memory than it may."


FORKS = """
import os, sys, time
made = 0
try:
    for _ in range(300):
        if os.fork() == 0: time.sleep(60)
        made += 1
except OSError as error:
    print("made:", made, error.strerror, file=sys.stderr, flush=True)
time.sleep(60)
"""


async def test_a_fork_bomb_stays_within_its_server() -> None:
    async with running(FORKS, processes=20) as (report, _):
        if "pids" not in report.limits_of_all:
            pytest.skip("this user may not make control groups")
        made, _, why = (await line_of(report, "made:")).partition(" ")
        assert 0 < int(made) < 20
        assert why == "Resource temporarily unavailable"


def groups_of_this_process() -> set[Path]:
    return set(Path("/sys/fs/cgroup").glob(f"**/kgents-stdio-{os.getpid()}-*"))


async def test_nothing_of_a_server_is_left_when_it_is_over() -> None:
    of_others = groups_of_this_process()
    async with running("import time; time.sleep(60)") as (report, _):
        its_own = groups_of_this_process() - of_others
        assert len(its_own) == len(report.limits_of_all)
        pid = report.log.pid or 0
    assert its_own.isdisjoint(groups_of_this_process())
    assert report.log.pid is None
    assert not psutil.pid_exists(pid)


def test_control_groups_of_a_platform_that_was_killed_are_swept() -> None:
    tree = CgroupTree.find("kgents-swept-4194305-x")  # no process has a number over 4194304
    if tree is None:
        pytest.skip("this user may not make control groups")
    tree.create("one", processes=5)
    CgroupTree.sweep("kgents-swept")
    assert not any(folder.exists() for folder in tree.folders.values())


def test_a_log_is_bounded_and_shows_no_secret_of_the_entry() -> None:
    log = ServerLog(secrets={"sk-canary-123", "en"})
    log.started(1)
    log.wrote(b"the key is sk-canary-123, open\nhalf a li")
    assert [line.text for line in log.lines] == ["the key is ***, open"]
    assert log.last_words == "half a li"
    log.wrote(b"ne\n" + b"x" * 5000 + b"\n" + b"Bytes that are no text: " + b"\xff\x00\n")
    assert [len(line.text) for line in log.lines] == [20, 11, 2000, 26]
    log.ended("It ended with exit code 3.")
    log.started(2)
    assert (log.starts, log.last_words, log.last_end) == (2, "", "It ended with exit code 3.")
    log.wrote(b"line of forty characters, more or less..\n" * 4000)
    assert sum(len(line.text) for line in log.lines) <= 65_536
    assert len(log.lines) > 1000


async def test_what_becomes_of_a_servers_process_is_shown_to_its_owner(registry: RunningRegistry) -> None:
    server = await registry.register_stdio()
    path = f"/api/v1/mcp-servers/{server['id']}/process"
    await registry.invoke("scripted.say", {"text": "the first word"})
    await registry.invoke("scripted.die")
    await registry.invoke("scripted.echo", {"text": "again"})
    shown = (await registry.ask("GET", path)).json()["process"]
    assert (shown["command"], shown["network"], shown["hosts"], shown["proxy"]) == ("scripted", "none", [], None)
    assert shown["protection"] in ("bubblewrap", "namespaces", "none")
    assert shown["limits"].items() >= {"memory_mb": 1024, "processes": 128, "cpus": 1.0}.items()
    assert (shown["running"], shown["starts"], shown["last_end"]) == (True, 2, "It ended with exit code 3.")
    assert "the first word" in [line["text"] for line in shown["log"]]
    assert shown["started_at"] > shown["ended_at"] >= shown["log"][0]["at"]
    assert (await registry.ask("GET", path, owner="another")).status_code == 404
    health = (await registry.ask("GET", path.replace("/process", "/health"))).json()
    assert (health["state"], health["starts"], health["last_end"]) == ("connected", 2, shown["last_end"])


async def test_a_server_over_the_network_has_no_process(registry: RunningRegistry, scripted: ScriptedServer) -> None:
    server = await registry.register_http(scripted)
    answer = await registry.ask("GET", f"/api/v1/mcp-servers/{server['id']}/process")
    assert (answer.status_code, answer.json()) == (200, {"process": None})
