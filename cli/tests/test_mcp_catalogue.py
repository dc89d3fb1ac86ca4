"""What `kgents mcp catalogue` and `kgents mcp log` tell, and that the servers are those that the tests really call."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from kgents_cli.tools.mcp_catalogue import known_servers
from tests.external.real_mcp_servers import pinned
from tool_registry_service.settings import StdioCommand

from .conftest import Answer, Api, Kgents

SERVER_ID = "0199c0de-0000-7000-8000-000000000001"


def test_the_servers_are_listed(kgents: Kgents):
    shown = kgents("mcp", "catalogue")
    assert shown.code == 0
    assert [line.split()[0] for line in shown.out.splitlines()[1:]] == list(known_servers())
    assert len(json.loads(kgents("mcp", "catalogue", "--json").out)) == len(known_servers())


def test_the_versions_are_those_that_the_tests_call():
    assert {server.package: server.version for server in known_servers().values()} == pinned()


@pytest.mark.parametrize("name", sorted(known_servers()))
def test_a_servers_entry_is_one_that_the_registry_takes(kgents: Kgents, name: str):
    words = ["mcp", "catalogue", name, "--installed", "/opt/x", "--data", "/srv/y", "--node", "/opt/node"]
    told = kgents(*words).out
    export = next(line for line in told.splitlines() if line.startswith("export "))
    variable, _, value = shlex.split(export)[1].partition("=")
    assert variable == "TOOLS_STDIO_ALLOWED"
    assert json.loads(value) == json.loads(kgents(*words, "--json").out)
    entry = json.loads(value)[name]
    assert not re.search(r"\{[a-z]+\}", json.dumps(entry))
    assert str(StdioCommand.model_validate(entry).command).startswith("/opt/")
    free = "mcp-memory" if name == "memory" else name
    assert f"kgents mcp add {free} --command {name}" in told


def test_a_server_that_is_not_known_is_told_with_those_that_are(kgents: Kgents):
    told = kgents("mcp", "catalogue", "weather")
    assert told.code == 2
    assert "there are: time, fetch" in told.err


def test_the_process_of_a_server_is_told_beside_its_log(kgents: Kgents, api: Api):
    process = {
        "command": "fetch", "protection": "namespaces", "network": "proxy", "hosts": ["example.com"],
        "limits": {"memory_mb": 512, "processes": 32, "cpus": 1.0, "held": ["memory"]},
        "proxy": {
            "connections": 3, "refused": 1, "last_refusal": "10.0.0.1 is private.", "bytes_sent": 10,
            "bytes_received": 20,
        },
        "running": True, "starts": 2, "started_at": "2026-11-21T10:05:00Z", "ended_at": "2026-11-21T10:04:00Z",
        "last_end": "It used more memory than it may.",
        "log": [{"at": "2026-11-21T10:00:01.5Z", "text": "Server \x1b[31mstarted"}],
    }  # fmt: skip
    api.will(
        "GET", "/api/v1/mcp-servers", Answer(200, {"items": [{"id": SERVER_ID, "name": "web"}], "next_cursor": None})
    )
    api.will("GET", f"/api/v1/mcp-servers/{SERVER_ID}/process", Answer(200, {"process": process}))
    told = kgents("mcp", "log", "web")
    assert told.out.startswith("2026-11-21 10:00:01  Server ")
    assert "\x1b" not in told.out
    for words in (
        "runs since 2026-11-21 10:05, started 2 times; the last one: It used more memory than it may.",
        "namespaces", "proxy, example.com", "512 MB, 32 processes, 1 processor",
        "3 connections, 10 bytes out, 20 in; 1 refused (the last: 10.0.0.1 is private.)",
    ):  # fmt: skip
        assert words in told.err
    assert kgents("mcp", "log", "web", "--json").json == process
    api.will("GET", f"/api/v1/mcp-servers/{SERVER_ID}/process", Answer(200, {"process": None}))
    told = kgents("mcp", "log", "web")
    assert told.code == 2
    assert "kgents mcp inspect web" in told.err
