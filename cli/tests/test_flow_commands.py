"""Flows from the command line: sent as JSON, given back as they are, checked without a server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kgents_cli.publishing import language_of
from tests.external.langflow import echo_flow

from .conftest import Answer, Api, Kgents


@pytest.fixture
def export(tmp_path: Path) -> Path:
    file = tmp_path / "export.json"
    file.write_text(json.dumps(echo_flow("My Echo"), indent=2))
    return file


def test_a_flow_is_sent_as_json_and_stays_a_draft(kgents: Kgents, api: Api, export: Path):
    api.will("POST", "/api/v1/agents", Answer(201, {"id": "a-1", "name": "my-echo"}))
    ran = kgents("create", "--config", str(export), "--draft")
    assert (ran.code, ran.out.partition(":")[0]) == (0, "my-echo")
    (sent,) = [seen for seen in api.seen if seen.path == "/api/v1/agents"]
    assert sent.headers["content-type"] == "application/json"
    assert sent.body == export.read_text()


def test_a_flow_whose_agent_is_there_updates_it_under_the_name_of_its_title(kgents: Kgents, api: Api, export: Path):
    api.will("POST", "/api/v1/agents", Answer(409, {"detail": "There is one.", "code": "name_taken"}))
    api.will("PUT", "/api/v1/agents/my-echo", Answer(200, {"id": "a-1", "name": "my-echo"}))
    assert kgents("create", "--config", str(export), "--draft").out.startswith("my-echo: draft updated")
    assert api.bodies("PUT", "/api/v1/agents/my-echo") == [export.read_text()]


def test_a_definition_in_json_updates_the_agent_that_it_names(kgents: Kgents, api: Api, export: Path):
    export.write_text('{"name": "plain", "system_prompt": "You help."}')
    api.will("POST", "/api/v1/agents", Answer(409, {"detail": "There is one.", "code": "name_taken"}))
    api.will("PUT", "/api/v1/agents/plain", Answer(200, {"id": "a-1", "name": "plain"}))
    assert kgents("create", "--config", str(export), "--draft").out.startswith("plain: draft updated")


def test_update_takes_a_flow_for_an_agent_of_any_name(kgents: Kgents, api: Api, export: Path):
    api.will("PUT", "/api/v1/agents/another", Answer(200, {"id": "a-1", "name": "another"}))
    assert kgents("agents", "update", "another", "--config", str(export)).code == 0
    (sent,) = [seen for seen in api.seen if seen.method == "PUT"]
    assert sent.headers["content-type"] == "application/json"


@pytest.mark.parametrize(("options", "query"), [((), ""), (("--version", "3"), "?version=3")])
def test_a_flow_is_printed_as_langflow_imports_it(kgents: Kgents, api: Api, options: tuple[str, ...], query: str):
    api.will("GET", "/api/v1/agents/my-echo/flow", Answer(200, echo_flow("My Echo")))
    assert kgents("agents", "flow", "my-echo", *options).json == echo_flow("My Echo")
    assert api.seen[-1].path == f"/api/v1/agents/my-echo/flow{query}"


def test_validate_reads_a_flow_and_names_the_node_of_each_fault(kgents: Kgents, export: Path):
    assert kgents("validate", str(export)).out == f"{export}: valid\n"
    flow = echo_flow("My Echo")
    flow["data"]["nodes"][0]["data"]["node"]["template"]["code"]["value"] += "\nimport os"
    export.write_text(json.dumps(flow))
    ran = kgents("validate", str(export))
    assert ran.code == 2
    assert 'node "Chat Input" (ChatInput-1) has other code than ChatInput of lfx 1.13.0' in ran.out
    assert "[flow_custom_code]" in ran.out


@pytest.mark.parametrize(
    ("content", "language"),
    [
        (b'{"a": 1}', "json"),
        (b'\xef\xbb\xbf\r\n {"a": 1}', "json"),
        (b'name = "a"', "toml"),
        (b"", "toml"),
        (b"[a]", "toml"),
    ],
)
def test_what_begins_as_an_object_is_json(content: bytes, language: str):
    assert language_of(content) == language
