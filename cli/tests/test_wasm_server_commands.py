"""What `kgents mcp add|update|usage|stop|start|restart` ask of the API for WASM servers, and how they show it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Answer, Api, Kgents

SERVERS = "/api/v1/mcp-servers"
MODULES = f"{SERVERS}/modules"
SERVER_ID, ORGANISATION = "0199c0de-0000-7000-8000-000000000001", "0199c0de-0000-7000-8000-000000000002"
WASM = f"{SERVERS}/{SERVER_ID}/wasm"
OLD, NEW = "a" * 64, "b" * 64
LIMITS = {"fuel": 10_000_000, "memory_mb": 64, "timeout_ms": 5_000}
NOTHING: dict[str, Any] = {"clock": False, "random": False, "env": {}}
SERVER: dict[str, Any] = {
    "id": SERVER_ID, "name": "counter", "owner_id": "p-1", "transport": "wasm", "url": None, "command": None,
    "args": [], "credential_ref": None, "warnings": [], "refreshed_at": "2026-11-21T10:00:00Z",
}  # fmt: skip
USED: dict[str, Any] = {
    "calls": 4, "errors": 3, "traps": 1, "over_fuel": 1, "over_memory_mb": 1, "over_timeout_ms": 0, "running": 2,
    "fuel": 12_345, "most_fuel": 10_000, "most_memory_bytes": 1_572_864, "busy_ms": 1_234.5,
    "last_used_at": "2026-11-21T10:00:00Z",
}  # fmt: skip
NEVER = {**dict.fromkeys(USED, 0), "most_memory_bytes": None, "last_used_at": None}
RUNS: dict[str, Any] = {
    "server_id": SERVER_ID, "module": {"sha256": OLD, "size": 1_200, "created_at": "2026-11-21T09:00:00Z"},
    "limits": LIMITS, "grants": NOTHING | {"clock": True}, "state": "started", "loaded": True, "usage": USED,
}  # fmt: skip


@pytest.fixture
def stored(api: Api) -> Api:
    api.will("GET", SERVERS, Answer(200, {"items": [SERVER], "next_cursor": None}))
    api.will("GET", "/api/v1/tools", Answer(200, {"items": [], "next_cursor": None}))
    api.will("POST", SERVERS, Answer(201, SERVER))
    api.will("GET", MODULES, Answer(404, {"detail": "You are in none.", "code": "no_such_organisation"}))
    api.will("POST", MODULES, Answer(201, {"sha256": NEW, "size": 8}))
    api.will("GET", WASM, Answer(200, RUNS))
    api.will("PUT", WASM, Answer(200, updated()))
    return api


@pytest.fixture
def file(tmp_path: Path) -> str:
    made = tmp_path / "counter.wat"
    made.write_text("(module)")
    return str(made)


def updated(**server: Any) -> dict[str, Any]:
    tools = {"added": ["counter.reset"], "changed": ["counter.count"], "removed": [], "unchanged": []}
    return {"server": RUNS | server, **tools, "warnings": ["'x y' is left out"]}


def sent(api: Api, method: str, path: str) -> Any:
    (body,) = api.bodies(method, path)
    return json.loads(body)


def uploads(api: Api) -> list[str]:
    return [seen.path for seen in api.seen if seen.method == "POST" and seen.path.startswith(MODULES)]


def test_a_module_is_registered_within_limits_and_with_grants(kgents: Kgents, stored: Api, file: str):
    ran = kgents(
        "mcp", "add", "counter", "--wasm", file, "--fuel", "20000", "--memory-mb", "16", "--timeout-ms", "90",
        "--grant", "clock", "--grant", "env:REGION=north=1", "--grant", "env:EMPTY=",
    )  # fmt: skip
    assert (ran.code, stored.bodies("POST", MODULES)) == (0, ["(module)"])
    assert sent(stored, "POST", SERVERS)["wasm"] == {
        "module": NEW, "limits": {"fuel": 20_000, "memory_mb": 16, "timeout_ms": 90},
        "grants": {"clock": True, "env": {"REGION": "north=1", "EMPTY": ""}},
    }  # fmt: skip


def test_another_module_keeps_the_limits_and_grants_that_are_not_named(kgents: Kgents, stored: Api, file: str):
    module = RUNS["module"] | {"sha256": NEW}
    stored.will("PUT", WASM, Answer(200, updated(module=module, limits=LIMITS | {"memory_mb": 16})))
    ran = kgents("mcp", "update", "counter", "--wasm", file, "--memory-mb", "16")
    assert sent(stored, "PUT", WASM) == {
        "module": NEW, "limits": LIMITS | {"memory_mb": 16}, "grants": NOTHING | {"clock": True},
    }  # fmt: skip
    assert (ran.code, ran.out.splitlines()) == (0, [
        "The server counter is updated, from the next call on.",
        "module     aaaaaaaaaaaa → bbbbbbbbbbbb",
        "limits     fuel 10,000,000, 64 MiB, 5,000 ms → fuel 10,000,000, 16 MiB, 5,000 ms",
        "added      counter.reset",
        "changed    counter.count",
    ])  # fmt: skip
    assert "warning: 'x y' is left out" in ran.err
    assert "accepted with it, and in force. How it was: kgents tools versions counter.count" in ran.err
    assert "is stopped" not in ran.err


@pytest.mark.parametrize(
    ("options", "granted", "told"),
    [
        (("--grant", "random", "--grant", "env:REGION=north"), {"random": True, "env": {"REGION": "north"}},
         "granted    clock → random, REGION=north"),
        (("--no-grants",), {}, "granted    clock → nothing"),
    ],
    ids=["others", "none"],
)  # fmt: skip
def test_grants_that_are_named_are_all_there_are(
    kgents: Kgents, stored: Api, options: tuple[str, ...], granted: dict[str, Any], told: str
):
    stored.will("PUT", WASM, Answer(200, updated(grants=NOTHING | granted, state="stopped", loaded=False)))
    ran = kgents("mcp", "update", "counter", *options)
    assert sent(stored, "PUT", WASM) == {"module": OLD, "limits": LIMITS, "grants": granted}
    assert uploads(stored) == []
    assert told in ran.out.splitlines()
    assert "It takes calls after: kgents mcp start counter" in ran.err


def test_a_module_is_uploaded_for_whom_its_server_belongs_to(kgents: Kgents, stored: Api, file: str):
    assert kgents("mcp", "update", "counter", "--wasm", file, "--json").json == updated()
    assert uploads(stored) == [MODULES]
    shared = SERVER | {"owner_id": ORGANISATION}
    stored.will("GET", SERVERS, Answer(200, {"items": [shared], "next_cursor": None}))
    stored.will("GET", MODULES, Answer(200, {"items": [], "next_cursor": None}))
    acme = {"id": ORGANISATION, "slug": "acme"}
    stored.will("GET", "/api/v1/organisations", Answer(200, {"items": [acme], "next_cursor": None}))
    assert "kgents tools versions acme~counter.count" in kgents("mcp", "update", "counter", "--wasm", file).err
    assert uploads(stored) == [MODULES, f"{MODULES}?organisation={ORGANISATION}"]
    stored.will("GET", MODULES, Answer(403, {"detail": "That takes tools:read.", "code": "missing_scope"}))
    assert kgents("mcp", "update", "counter", "--wasm", file).code == 1
    assert len(uploads(stored)) == 2


@pytest.mark.parametrize(("what", "told"), [("stop", "stopped"), ("start", "started"), ("restart", "restarted")])
def test_a_server_is_told_to_stop_start_and_restart(kgents: Kgents, stored: Api, what: str, told: str):
    stored.will("POST", f"{SERVERS}/{SERVER_ID}/{what}", Answer(200, RUNS))
    ran = kgents("mcp", what, "counter")
    assert (ran.code, ran.out.startswith(f"The server counter is {told}: ")) == (0, True)
    assert kgents("mcp", what, "counter", "--json").json == RUNS
    assert len(stored.bodies("POST", f"{SERVERS}/{SERVER_ID}/{what}")) == 2


def test_what_calls_used_is_told_in_words(kgents: Kgents, stored: Api):
    ran = kgents("mcp", "usage", "counter")
    assert (ran.code, ran.out.splitlines()) == (0, [
        "state       started, its code is in memory",
        "module      aaaaaaaaaaaa, 1,200 bytes, uploaded 2026-11-21 09:00",
        "limits      fuel 10,000,000, 64 MiB, 5,000 ms",
        "granted     clock",
        "calls       4, 3 failed, 2 under way",
        "trapped     1",
        "limited     1 by fuel, 1 by memory",
        "fuel        12,345, 10,000 at most by one call",
        "memory      1.5 MiB at most by one call",
        "time        1,234 ms",
        "last call   2026-11-21 10:00",
    ])  # fmt: skip
    assert "kgents tools invocations --tool 'counter.*'" in ran.err
    assert kgents("mcp", "usage", "counter", "--json").json == RUNS
    stored.will("GET", WASM, Answer(200, RUNS | {"usage": NEVER, "loaded": False}))
    lines = kgents("mcp", "usage", "counter").out.splitlines()
    assert lines[0] == "state       started, its code is loaded at the next call"
    assert "limited     0" in lines
    assert not any(line.startswith(("memory", "last call")) for line in lines)


def test_a_server_that_is_inspected_says_whether_it_is_stopped(kgents: Kgents, stored: Api):
    stored.will("GET", WASM, Answer(200, RUNS | {"state": "stopped"}))
    told = kgents("mcp", "inspect", "counter").out
    assert "state       stopped: it takes no calls\n" in told
    assert "granted     clock\n" in told
    assert kgents("mcp", "inspect", "counter", "--json").json["wasm"]["state"] == "stopped"


@pytest.mark.parametrize("words", [("usage",), ("stop",), ("update", "--fuel", "20000")], ids=lambda words: words[0])
def test_what_is_no_module_says_so(kgents: Kgents, stored: Api, words: tuple[str, ...]):
    refused = Answer(409, {"detail": "counter is reached over stdio: it has no module.", "code": "not_a_wasm_server"})
    stored.will("GET", WASM, refused)
    stored.will("POST", f"{SERVERS}/{SERVER_ID}/stop", refused)
    ran = kgents("mcp", words[0], "counter", *words[1:])
    assert (ran.code, ran.out) == (2, "")
    assert "reached over stdio" in ran.err
    assert "kgents mcp inspect" in ran.err


@pytest.mark.parametrize(
    "words",
    [
        ("add", "x", "--url", "http://a", "--fuel", "20000"), ("add", "x", "--command", "a", "--grant", "clock"),
        ("add", "x", "--wasm", "FILE", "--grant", "network"), ("add", "x", "--wasm", "FILE", "--grant", "env:A"),
        ("add", "x", "--wasm", "FILE", "--grant", "env:=a"), ("add", "x", "--wasm", "FILE", "--grant", "REGION=north"),
        ("update", "x"), ("update", "x", "--grant", "files"), ("update", "x", "--grant", "clock", "--no-grants"),
        ("update", "x", "--grant", "env:A=1", "--grant", "env:A=2"), ("update", "x", "--fuel", "0"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_can_not_be_asked_of_a_module_is_bad_input(kgents: Kgents, stored: Api, file: str, words: tuple[str, ...]):
    assert kgents("mcp", *(file if word == "FILE" else word for word in words)).code == 2
    assert [seen for seen in stored.seen if seen.path.startswith("/api/")] == []


def test_a_file_that_is_not_there_is_bad_input(kgents: Kgents, stored: Api, tmp_path: Path):
    ran = kgents("mcp", "update", "counter", "--wasm", str(tmp_path / "gone.wasm"))
    assert (ran.code, uploads(stored), stored.bodies("PUT", WASM)) == (2, [], [])
    assert "name a WebAssembly module" in ran.err
