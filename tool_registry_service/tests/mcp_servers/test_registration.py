"""Registering, listing and deleting MCP servers."""

import secrets
import socket
import uuid
from pathlib import Path
from typing import Any

import psutil
import pytest

from kgents_shared.testing.polling import eventually
from tests.external.running_registry import RunningRegistry, running_registry
from tests.external.scripted_mcp import ScriptedServer, stdio_words
from tool_registry_service.settings import StdioCommand

SERVERS = "/api/v1/mcp-servers"


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


async def test_an_http_server_is_registered_with_its_tools_of_all_pages(
    registry: RunningRegistry, scripted: ScriptedServer
) -> None:
    server = await registry.register_http(scripted)
    assert (server["name"], server["url"], server["command"]) == ("scripted", scripted.url, None)
    listed = await registry.ask("GET", f"/api/v1/tools?server_id={server['id']}")
    names = [row["name"] for row in listed.json()["items"]]
    assert len(names) == 12
    assert names == sorted(names)
    assert {"scripted.echo", "scripted.count", "scripted.spawn"} <= set(names)


async def test_a_stdio_server_is_registered_by_the_name_of_an_allowed_command(registry: RunningRegistry) -> None:
    server = await registry.register_stdio("local")
    assert (server["command"], server["url"]) == ("scripted", None)
    assert (await registry.tool("local.echo"))["state"] == "active"


async def test_a_command_that_the_operator_does_not_list_is_refused(registry: RunningRegistry) -> None:
    for command in ("bash", "/bin/sh", "../scripted"):
        body = {"name": "shell", "transport": "stdio", "command": command}
        answer = await registry.ask("POST", SERVERS, body)
        assert answer.status_code == 422
        assert answer.json()["code"] == "command_not_allowed"
        assert "scripted" in answer.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {"transport": "streamable_http"},
        {"transport": "streamable_http", "url": "http://h/", "command": "scripted"},
        {"transport": "streamable_http", "url": "http://h/", "args": ["x"]},
        {"transport": "stdio"},
        {"transport": "stdio", "command": "scripted", "url": "http://h/"},
        {"transport": "carrier-pigeon", "url": "http://h/"},
        {"transport": "streamable_http", "url": "file:///etc/passwd"},
        {"transport": "streamable_http", "url": "http://user:secret@h/"},
        {"transport": "streamable_http", "url": "http://h:99999/"},
        {"transport": "streamable_http", "url": "http://h/ x"},
        {"transport": "stdio", "command": "scripted", "owner_id": "someone"},
        {"transport": "stdio", "command": "scripted", "args": ["nul\x00"]},
    ],
)
async def test_what_can_not_be_a_server_is_refused(registry: RunningRegistry, body: dict[str, Any]) -> None:
    answer = await registry.ask("POST", SERVERS, {"name": "x", **body})
    assert answer.status_code == 422
    assert answer.json()["errors"]


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"transport": "streamable_http", "url": "http://h/?apiKey=hunter2"}, ["body", "url"]),
        ({"transport": "stdio", "command": "scripted", "args": ["--token", "hunter2"]}, ["body", "args", 1]),
        ({"transport": "stdio", "command": "scripted", "env": {"API_KEY": "hunter2"}}, ["body", "env", "API_KEY"]),
    ],
)
async def test_a_server_with_a_secret_in_it_is_refused_and_the_secret_not_repeated(
    registry: RunningRegistry, body: dict[str, Any], loc: list[str | int]
) -> None:
    answer = await registry.ask("POST", SERVERS, {"name": "leaky", **body})
    assert (answer.status_code, answer.json()["code"]) == (422, "secret_in_document")
    assert [fault["loc"] for fault in answer.json()["errors"]] == [loc]
    assert "hunter2" not in answer.text
    stranger = await registry.http.post(SERVERS, json={"name": "leaky", **body})
    assert stranger.status_code == 401


@pytest.mark.parametrize("name", ["", "Time", "a.b", "-a", "a" * 64, "a_b"])
async def test_a_servers_name_is_a_dns_label(registry: RunningRegistry, name: str) -> None:
    answer = await registry.ask("POST", SERVERS, {"name": name, "transport": "stdio", "command": "scripted"})
    assert answer.status_code == 422


async def test_a_name_is_taken_once_by_each_owner(registry: RunningRegistry) -> None:
    await registry.register_stdio("mine")
    body = {"name": "mine", "transport": "stdio", "command": "scripted"}
    again = await registry.ask("POST", SERVERS, body)
    assert (again.status_code, again.json()["code"]) == (409, "name_taken")
    other = await registry.ask("POST", SERVERS, body, owner=f"other-{uuid.uuid4().hex}")
    assert other.status_code == 201


async def test_a_server_that_is_not_there_is_not_registered(registry: RunningRegistry) -> None:
    body = {"name": "gone", "transport": "streamable_http", "url": f"http://127.0.0.1:{closed_port()}/mcp"}
    answer = await registry.ask("POST", SERVERS, body)
    assert (answer.status_code, answer.json()["code"]) == (502, "mcp_server_unreachable")
    assert answer.json()["detail"] == "The server gone can't be used: nothing answers at its address"
    assert (await registry.ask("GET", SERVERS)).json()["items"] == []


async def test_a_server_that_says_nothing_is_not_waited_for_without_end(database_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        body = {"name": "mute", "transport": "streamable_http", "url": f"http://127.0.0.1:{silent.getsockname()[1]}/"}
        async with running_registry(database_url, connect_timeout_s=0.3) as registry:
            answer = await registry.ask("POST", SERVERS, body)
    assert answer.status_code == 502
    assert answer.json()["detail"] == "The server mute can't be used: it did not answer within 0.3 s"


async def test_a_process_has_a_time_of_its_own_to_start(database_url: str) -> None:
    allowed = {"slow": {"command": "/bin/sleep", "args": ["600"]}}
    async with running_registry(database_url, stdio_allowed=allowed, stdio_start_timeout_s=0.4) as registry:
        answer = await registry.ask("POST", SERVERS, {"name": "slow", "transport": "stdio", "command": "slow"})
    assert answer.status_code == 502
    assert answer.json()["detail"] == "The server slow can't be used: it did not answer within 0.4 s"


async def test_a_process_that_does_not_speak_mcp_is_not_registered(database_url: str) -> None:
    allowed = {"cat": {"command": "/bin/echo", "args": ["hello"]}}
    async with running_registry(database_url, stdio_allowed=allowed) as registry:
        answer = await registry.ask("POST", SERVERS, {"name": "cat", "transport": "stdio", "command": "cat"})
        assert (answer.status_code, answer.json()["code"]) == (502, "mcp_server_unreachable")


async def test_a_server_with_too_many_tools_is_refused(database_url: str, scripted: ScriptedServer) -> None:
    async with running_registry(database_url, max_tools_per_server=12) as registry:
        scripted.tell("extra_tools", "2")
        body = {"name": "many", "transport": "streamable_http", "url": scripted.url}
        answer = await registry.ask("POST", SERVERS, body)
        assert (answer.status_code, answer.json()["code"]) == (422, "mcp_server_refused")
        assert "more than 12 tools" in answer.json()["detail"]


async def test_servers_come_in_pages_newest_first(registry: RunningRegistry) -> None:
    for name in ("one", "two", "three"):
        await registry.register_stdio(name)
    first = (await registry.ask("GET", f"{SERVERS}?limit=2")).json()
    assert [row["name"] for row in first["items"]] == ["three", "two"]
    second = (await registry.ask("GET", f"{SERVERS}?limit=2&cursor={first['next_cursor']}")).json()
    assert ([row["name"] for row in second["items"]], second["next_cursor"]) == (["one"], None)


def processes(*words: str) -> list[list[str]]:
    """The command lines of this machine that hold all of `words`."""
    found = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [line for line in found if set(words) <= set(line)]


async def test_a_deleted_server_is_gone_with_its_tools_and_every_process_of_it(
    database_url: str, tmp_path: Path
) -> None:
    command, args = stdio_words(tmp_path)
    allowed = {"scripted": StdioCommand(command=command, args=args)}
    async with running_registry(database_url, stdio_allowed=allowed) as registry:
        server = await registry.register_stdio("brief")
        seconds = f"{secrets.randbelow(10**6) + 600}.5"
        await registry.invoke("brief.spawn", {"seconds": seconds})
        assert processes("/bin/sleep", seconds)
        assert processes(*args)
        assert (await registry.ask("DELETE", f"{SERVERS}/{server['id']}")).status_code == 204
        assert (await registry.ask("GET", f"{SERVERS}/{server['id']}")).status_code == 404
        assert (await registry.ask("GET", "/api/v1/tools/brief.echo")).status_code == 404
        assert "no tool named brief.echo" in (await registry.invoke("brief.echo", {"text": "x"}))["content"]
        await eventually(lambda: not processes("/bin/sleep", seconds), describe="what the server started has ended")
        assert not processes(*args)


async def test_another_owners_server_is_not_to_be_found(registry: RunningRegistry, scripted: ScriptedServer) -> None:
    server = await registry.register_http(scripted)
    path = f"{SERVERS}/{server['id']}"
    other = f"other-{uuid.uuid4().hex}"
    for method, where, body in (
        ("GET", path, None),
        ("DELETE", path, None),
        ("POST", f"{path}/refresh", {}),
        ("PATCH", f"{path}/tools/echo", {"side_effect": "none"}),
        ("POST", f"{path}/tools/echo/accept", {}),
        ("GET", "/api/v1/tools/scripted.echo", None),
    ):
        theirs = await registry.ask(method, where, body, owner=other)
        assert theirs.status_code == 404, f"{method} {where}"
        unknown = where.replace(server["id"], str(uuid.uuid4())).replace("scripted.echo", "no.such")
        nobodys = await registry.ask(method, unknown, body, owner=other)
        assert (nobodys.status_code, nobodys.json()["code"]) == (404, theirs.json()["code"])
    assert (await registry.ask("GET", SERVERS, owner=other)).json()["items"] == []
    assert (await registry.ask("GET", "/api/v1/tools?kind=mcp", owner=other)).json()["items"] == []


async def test_reading_and_writing_need_their_scopes(registry: RunningRegistry) -> None:
    reader = registry.issuer.person(registry.owner, scopes=["tools:read"])
    writer = registry.issuer.person(registry.owner, scopes=["tools:write"])
    assert (await registry.http.get(SERVERS)).status_code == 401
    assert (await registry.http.get(SERVERS, headers=reader)).status_code == 200
    assert (await registry.http.get(SERVERS, headers=writer)).status_code == 403
    body = {"name": "x", "transport": "stdio", "command": "scripted"}
    assert (await registry.http.post(SERVERS, json=body, headers=reader)).status_code == 403


async def test_only_the_runtime_may_resolve_and_invoke(registry: RunningRegistry) -> None:
    call = registry.call_body("time.now")
    for headers, status in (
        ({}, 401),
        (registry.issuer.person(registry.owner), 404),
        (registry.issuer.service("deployment", "tools"), 403),
        (registry.issuer.service("runtime", "management"), 401),
    ):
        answer = await registry.http.post("/internal/tools/invoke", json=call, headers=headers)
        assert answer.status_code == status
        asked = {"owner_id": registry.owner, "allow": ["*"], "deny": []}
        answer = await registry.http.post("/internal/tools/resolve", json=asked, headers=headers)
        assert answer.status_code == status
