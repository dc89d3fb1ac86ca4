"""What `kgents tools …` and `kgents mcp …` ask of the API, and how they show what that answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from kgents_cli.tools.examples import example_arguments

from .conftest import Answer, Api, Kgents

TOOLS, SERVERS, CALLS = "/api/v1/tools", "/api/v1/mcp-servers", "/api/v1/tools/invocations"
HASH = "a" * 64
SERVER_ID = "0199c0de-0000-7000-8000-000000000001"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"zone": {"type": "string", "examples": ["UTC"]}, "hours": {"type": "integer"}},
    "required": ["zone"],
}
TOOL: dict[str, Any] = {
    "name": "time.now", "kind": "mcp", "owner_id": "p-1", "server_id": SERVER_ID, "description": "The time.\nOf day.",
    "input_schema": SCHEMA, "definition_hash": HASH, "side_effect": "external", "state": "active", "pending": None,
    "created_at": "2026-11-21T10:00:00Z", "updated_at": "2026-11-21T10:00:00Z",
}  # fmt: skip
SERVER: dict[str, Any] = {
    "id": SERVER_ID, "name": "time", "owner_id": "p-1", "transport": "stdio", "url": None, "command": "time",
    "args": ["--utc"], "credential_ref": None, "warnings": ["'x y' is left out"],
    "created_at": "2026-11-21T10:00:00Z", "refreshed_at": "2026-11-21T10:00:00Z",
}  # fmt: skip
HEALTH: dict[str, Any] = {
    **dict.fromkeys(("sessions", "in_flight", "calls", "failures", "failures_in_a_row"), 0),
    **dict.fromkeys(("last_seen_at", "last_failed_at", "last_failure", "latency_ms_p50", "latency_ms_max")),
    **dict.fromkeys(("next_try_in_s", "says", "protocol", "starts", "last_end")),
    "state": "idle", "offers": [],
}  # fmt: skip
CALL: dict[str, Any] = {
    "id": "c-1", "started_at": "2026-11-21T10:00:00.5Z", "tool": "time.now", "outcome": "completed",
    "latency_ms": 12.4, "agent_name": None, "principal": "p-1",
}  # fmt: skip


def page(*items: Any) -> Answer:
    return Answer(200, {"items": list(items), "next_cursor": None})


@pytest.fixture
def stored(api: Api) -> Api:
    api.will("GET", TOOLS, page(TOOL))
    api.will("GET", f"{TOOLS}/time.now", Answer(200, TOOL))
    api.will("GET", SERVERS, page(SERVER))
    api.will("POST", SERVERS, Answer(201, SERVER))
    api.will("DELETE", f"{SERVERS}/{SERVER_ID}", Answer(204))
    api.will("POST", f"{TOOLS}/time.now/call", Answer(200, {"content": "12:00", "is_error": False, "waiting": None}))
    return api


def sent(api: Api, method: str, path: str) -> Any:
    (body,) = api.bodies(method, path)
    return json.loads(body)


def test_tools_are_listed_searched_and_shown(kgents: Kgents, stored: Api):
    rows = [line.split() for line in kgents("tools", "list", "--server", "time").out.splitlines()]
    assert rows == [["NAME", "KIND", "STATE", "EFFECT", "DESCRIPTION"],
                    ["time.now", "mcp", "active", "external", "The", "time."]]  # fmt: skip
    assert f"{TOOLS}?server_id={SERVER_ID}" in [request.path for request in stored.seen]
    assert kgents("tools", "search", "what time").code == 0
    assert f"{TOOLS}?q=what+time" in [request.path for request in stored.seen]
    shown = kgents("tools", "show", "time.now").out
    assert '"zone"' in shown
    assert "active, side effect external" in shown


def test_what_is_an_organisations_is_named_as_commands_take_it(kgents: Kgents, stored: Api):
    theirs, its_id = {"owner_id": "o-1"}, "0199c0de-0000-7000-8000-000000000002"
    stored.will("GET", "/api/v1/organisations", page({"id": "o-1", "slug": "acme"}))
    stored.will("GET", TOOLS, page(TOOL, TOOL | theirs))
    stored.will("GET", SERVERS, page(SERVER | theirs | {"id": its_id}, SERVER))
    stored.will("GET", f"{SERVERS}/{its_id}", Answer(200, SERVER | theirs))
    assert [line.split()[0] for line in kgents("tools", "list").out.splitlines()] == [
        "NAME",
        "time.now",
        "acme~time.now",
    ]
    assert [line.split()[0] for line in kgents("mcp", "list").out.splitlines()] == ["NAME", "acme~time", "time"]
    assert kgents("mcp", "inspect", "time").out.startswith(f"time  {SERVER_ID}\n")
    assert kgents("mcp", "inspect", its_id).out.startswith("acme~time  ")
    added = kgents("mcp", "add", "time", "--command", "time", "--organisation", "acme")
    assert "kgents tools set acme~time.now --side-effect read" in added.err


def test_a_tool_is_called_with_what_was_written(kgents: Kgents, stored: Api):
    ran = kgents("tools", "call", "time.now", '{"hours": 2}', "--argument", "zone=UTC", "--argument", "hours=3")
    assert (ran.code, ran.out) == (0, "12:00\n")
    assert sent(stored, "POST", f"{TOOLS}/time.now/call") == {"arguments": {"zone": "UTC", "hours": 3}}


def test_a_call_that_waits_says_who_decides_and_how_it_goes_on(kgents: Kgents, stored: Api):
    waiting = {"approval_id": "a-1", "expires_at": "2026-11-28T10:00:00Z"}
    answer = Answer(202, {"content": "", "is_error": False, "waiting": waiting})
    stored.will("POST", f"{TOOLS}/time.now/call", answer)
    ran = kgents("tools", "call", "time.now", "{}", "--key", "my-key")
    assert ran.code == 1
    assert "waits for approval a-1" in ran.err
    assert "kgents approvals approve a-1" in ran.err
    assert "then: the same command again" in ran.err
    assert {name.lower(): value for name, value in stored.seen[-1].headers.items()}["idempotency-key"] == "my-key"
    assert kgents("tools", "call", "time.now", "{}").code == 1
    assert "idempotency-key" not in {name.lower() for name in stored.seen[-1].headers}


def test_a_tool_that_fails_is_a_failure_of_the_command(kgents: Kgents, stored: Api):
    stored.will("POST", f"{TOOLS}/time.now/call", Answer(200, {"content": "no such zone", "is_error": True}))
    ran = kgents("tools", "call", "time.now", "{}")
    assert (ran.code, "no such zone" in ran.err) == (1, True)
    told = {"content": "time.now gave no result. It can't be reached.", "is_error": True}
    stored.will("POST", f"{TOOLS}/time.now/call", Answer(200, told))
    ran = kgents("tools", "test", "time.now")
    assert ran.code == 1
    assert "kgents: time.now gave no result\n  It can't be reached.\n  → the arguments were made up" in ran.err


def test_a_tool_is_tested_with_arguments_made_from_its_schema(kgents: Kgents, stored: Api):
    assert kgents("tools", "test", "time.now", "--show", "--json").json == {"zone": "UTC"}
    assert stored.bodies("POST", f"{TOOLS}/time.now/call") == []
    ran = kgents("tools", "test", "time.now")
    assert (ran.code, ran.out, ran.err) == (0, "12:00\n", 'time.now {"zone": "UTC"}\n')


def test_a_changed_definition_is_shown_before_it_is_accepted(kgents: Kgents, stored: Api):
    pending = {"description": "The time, and your files.", "input_schema": SCHEMA, "definition_hash": "b" * 64,
               "diff": ["-The time.", "+The time, and your files."]}  # fmt: skip
    stored.will("GET", f"{TOOLS}/time.now", Answer(200, TOOL | {"state": "changed", "pending": pending}))
    stored.will("POST", f"{SERVERS}/{SERVER_ID}/tools/now/accept", Answer(200, TOOL))
    ran = kgents("tools", "accept", "time.now", "--yes")
    assert (ran.code, ran.out) == (0, "time.now is accepted and active.\n")
    assert "+The time, and your files." in ran.err
    assert sent(stored, "POST", f"{SERVERS}/{SERVER_ID}/tools/now/accept") == {"definition_hash": "b" * 64}
    stored.will("GET", f"{TOOLS}/time.now", Answer(200, TOOL))
    assert kgents("tools", "accept", "time.now", "--yes").code == 2


def test_what_a_tool_does_outside_is_set(kgents: Kgents, stored: Api):
    stored.will("PATCH", f"{SERVERS}/{SERVER_ID}/tools/now", Answer(200, TOOL | {"side_effect": "none"}))
    assert kgents("tools", "set", "time.now", "--side-effect", "none").out == "time.now: side effect none.\n"
    assert sent(stored, "PATCH", f"{SERVERS}/{SERVER_ID}/tools/now") == {"side_effect": "none"}


def test_what_a_call_costs_is_set(kgents: Kgents, stored: Api):
    path, cost = f"{TOOLS}/time.now/cost", {"amount": "0.02", "currency": "EUR"}
    stored.will("PUT", path, Answer(200, {"tool": "time.now", "cost": cost}))
    ran = kgents("tools", "set", "time.now", "--cost", "0.02", "--currency", "EUR")
    assert (ran.out, sent(stored, "PUT", path)) == ("time.now: a call costs 0.02 EUR.\n", cost)
    assert kgents("tools", "set", "time.now").code == 2


def test_calls_are_listed_by_what_is_asked_for(kgents: Kgents, stored: Api):
    stored.will("GET", CALLS, page(CALL, CALL))
    stored.will("GET", f"{CALLS}/c-1", Answer(200, CALL))
    lines = kgents("tools", "invocations", "--outcome", "completed", "--most", "1").out.splitlines()
    assert lines[1].split() == ["c-1", "2026-11-21", "10:00:00", "time.now", "completed", "12", "p-1"]
    assert len(lines) == 2
    assert f"{CALLS}?limit=1&outcome=completed" in [request.path for request in stored.seen]
    stored.will("GET", "/api/v1/users/me", Answer(200, {"id": "p-1"}))
    assert kgents("tools", "invocations").out.splitlines()[1].split()[-1] == "you"
    assert kgents("tools", "invocation", "c-1").json == CALL


def test_a_server_is_registered_inspected_and_removed(kgents: Kgents, stored: Api):
    ran = kgents("mcp", "add", "time", "--command", "time", "--", "--utc")
    assert (ran.code, "registered with 1 tool," in ran.out) == (0, True)
    assert "is left out" in ran.err
    assert "kgents tools set time.now" in ran.err
    assert sent(stored, "POST", SERVERS) == {
        "name": "time", "transport": "stdio", "command": "time", "args": ["--utc"],
    }  # fmt: skip
    assert "reached by  time --utc" in kgents("mcp", "inspect", "time").out
    assert "time" in kgents("mcp", "list").out
    assert kgents("mcp", "remove", "time", "--yes").out == "The server time is removed.\n"
    assert kgents("mcp", "remove", "time", "--yes", "--json").json is None
    assert kgents("mcp", "inspect", "nowhere").code == 2


@pytest.mark.parametrize(
    ("health", "lines"),
    [
        ({}, ["state       idle: it is asked at the next call", "calls       0, 0 failed"]),
        (
            {"state": "connected", "sessions": 1, "in_flight": 2, "calls": 3, "latency_ms_p50": 1.6,
             "latency_ms_max": 20.2, "says": "time 1.2", "protocol": "2026-01-01", "offers": ["tools"], "starts": 1},
            ["state       connected, 1 session, 2 calls under way", "calls       3, 0 failed",
             "took        2 ms in the middle, 20 ms at most", "says        time 1.2, MCP 2026-01-01",
             "offers      tools", "process     started 1 time"],
        ),
        (
            {"state": "away", "next_try_in_s": 3.21, "calls": 2, "failures": 1, "last_failure": "It is gone.",
             "last_failed_at": "2026-11-21T10:00:00Z"},
            ["state       away; it is tried again in 3.2 s",
             "calls       2, 1 failed; the last at 2026-11-21 10:00: It is gone."],
        ),
    ],
    ids=["idle", "connected", "away"],
)  # fmt: skip
def test_how_a_server_has_been_is_told_in_words(kgents: Kgents, stored: Api, health: Any, lines: list[str]):
    stored.will("GET", f"{SERVERS}/{SERVER_ID}/health", Answer(200, HEALTH | health))
    told = kgents("mcp", "inspect", "time").out.splitlines()
    assert told[3 : 3 + len(lines)] == lines
    assert told[3 + len(lines)].startswith("TOOL")


@pytest.mark.parametrize(("kind", "server_id", "says"), [("builtin", None, "stays"), ("mcp", "s", "MCP server time")])
def test_only_what_was_added_is_removed(kgents: Kgents, stored: Api, kind: str, server_id: str | None, says: str):
    stored.will("GET", f"{TOOLS}/imports", page())
    stored.will("GET", f"{TOOLS}/time.now", Answer(200, TOOL | {"kind": kind, "server_id": server_id}))
    ran = kgents("tools", "remove", "time.now", "--yes")
    assert (ran.code, says in ran.err) == (2, True)


def test_a_server_may_be_a_module_that_is_uploaded(kgents: Kgents, stored: Api, tmp_path: Path):
    file = tmp_path / "counter.wat"
    file.write_text("(module)")
    stored.will("POST", f"{SERVERS}/modules", Answer(201, {"sha256": HASH, "size": 8}))
    assert kgents("mcp", "add", "counter", "--wasm", str(file), "--memory-mb", "16").code == 0
    assert stored.bodies("POST", f"{SERVERS}/modules") == ["(module)"]
    assert sent(stored, "POST", SERVERS) == {
        "name": "counter", "transport": "wasm", "wasm": {"module": HASH, "limits": {"memory_mb": 16}},
    }  # fmt: skip


def test_a_server_that_a_person_authorizes_says_where(kgents: Kgents, stored: Api):
    ran = kgents("mcp", "add", "time", "--url", "https://t.example/mcp", "--oauth", "--header", "X-Team=a=b")
    assert "kgents mcp authorize time" in ran.err
    body = sent(stored, "POST", SERVERS)
    assert (body["oauth"], body["headers"]) == ({}, {"X-Team": "a=b"})
    begun = {"authorization_url": "https://t.example/authorize?x", "expires_at": "2026-11-21T10:10:00Z"}
    stored.will("POST", f"{SERVERS}/{SERVER_ID}/authorize", Answer(200, begun))
    assert kgents("mcp", "authorize", "time").out == "https://t.example/authorize?x\n"


def test_the_definitions_that_were_pinned_are_listed(kgents: Kgents, stored: Api):
    version = {"version": 2, "pinned_at": "2026-11-21T10:00:00Z", "pinned_by": "p-1", "definition_hash": HASH}
    stored.will("GET", f"{TOOLS}/time.now/versions", page(version | {"description": "The time."}))
    assert kgents("tools", "versions", "time.now").out.splitlines()[1].split()[0] == "2"


def test_a_refresh_says_what_became_of_each_tool(kgents: Kgents, stored: Api):
    found = {"server": SERVER, "added": ["time.zones"], "changed": ["time.now"], "removed": [], "unchanged": []}
    stored.will("POST", f"{SERVERS}/{SERVER_ID}/refresh", Answer(200, found))
    ran = kgents("mcp", "refresh", "time")
    assert ran.out.splitlines() == ["added      time.zones", "changed    time.now"]
    assert "kgents tools accept time.now" in ran.err


def test_what_builtin_tools_do_outside_is_not_set(kgents: Kgents, stored: Api):
    stored.will("GET", f"{TOOLS}/time", Answer(200, TOOL | {"name": "time", "kind": "builtin", "server_id": None}))
    ran = kgents("tools", "set", "time", "--side-effect", "external")
    assert (ran.code, "time is part of the platform" in ran.err) == (2, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("mcp", "add", "x"), ("mcp", "add", "x", "--url", "http://a", "--header", "nothing"),
        ("mcp", "add", "x", "--url", "http://a", "--command", "b"),
        ("tools", "call", "time.now", "[1]"), ("tools", "call", "time.now", "{"),
        ("tools", "call", "time.now", "--argument", "zone"), ("tools", "call", ""),
    ],
)  # fmt: skip
def test_what_can_not_be_asked_is_bad_input(kgents: Kgents, stored: Api, arguments: tuple[str, ...]):
    assert kgents(*arguments).code == 2
    assert [seen for seen in stored.seen if seen.path.startswith("/api/")] == []


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "object", "required": ["a"], "properties": {"a": {"enum": ["x", "y"]}}},
        {"type": "object", "required": ["n"], "properties": {"n": {"type": "number", "exclusiveMinimum": 4}}},
        {"type": "object", "required": ["n"], "properties": {"n": {"type": ["null", "integer"], "minimum": 7}}},
        {"type": "object", "required": ["t"], "properties": {"t": {"type": "string", "minLength": 20}}},
        {"type": "object", "required": ["t"], "properties": {"t": {"type": "string", "maxLength": 2}}},
        {"type": "object", "required": ["l"], "properties": {"l": {"type": "array", "minItems": 2, "items": {}}}},
        {"type": "object", "required": ["o"], "properties": {"o": {"anyOf": [{"type": "null"}, {"type": "boolean"}]}}},
        {"type": "object", "required": ["p"], "properties": {"p": {"$ref": "#/$defs/place"}},
         "$defs": {"place": {"type": "object", "required": ["x"], "properties": {"x": {"type": "integer"}}}}},
        {"type": "object", "required": ["unnamed"]},
    ],
    ids=str,
)  # fmt: skip
def test_arguments_made_from_a_schema_are_what_it_takes(schema: dict[str, Any]):
    assert list(Draft202012Validator(schema).iter_errors(example_arguments(schema))) == []


def test_a_schema_that_leads_round_in_circles_ends():
    round_and_round = {"$ref": "#"}
    assert example_arguments(round_and_round) == {}
    endless = {"type": "object", "required": ["next"], "properties": {"next": {"$ref": "#"}}}
    assert "next" in example_arguments(endless)
