"""What `kgents mcp catalogue` tells, and that the servers are those that the tests really call."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from kgents_cli.tools.mcp_catalogue import known_servers
from tests.external.real_mcp_servers import pinned
from tool_registry_service.settings import StdioCommand

from .conftest import Kgents


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
    assert f"kgents mcp add {name} --command {name}" in told


def test_a_server_that_is_not_known_is_told_with_those_that_are(kgents: Kgents):
    told = kgents("mcp", "catalogue", "weather")
    assert told.code == 2
    assert "there are: time, fetch" in told.err
