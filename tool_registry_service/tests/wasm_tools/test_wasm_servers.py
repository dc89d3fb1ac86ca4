"""WASM tools through the registry: uploaded, registered, called, limited, replaced, stopped."""

from __future__ import annotations

import asyncio
import gc
import uuid
from pathlib import Path
from typing import Any

import pytest

from kgents_shared.testing.polling import eventually
from tests.external.running_registry import JsonObject, RunningRegistry, running_registry
from tests.external.wasm_modules import HOSTILE_TOOLS, arithmetic, hostile, with_tools
from tool_registry_service.wasm_tools.engine import WasmEngine
from tool_registry_service.wasm_tools.parts import WasmTools

from .conftest import MODULES, SERVERS, WasmOwner

SMALL = {"fuel": 50_000_000, "memory_mb": 2, "timeout_ms": 1_000}


def said(answer: JsonObject) -> tuple[str, bool]:
    return answer["content"], answer["is_error"]


def loaded_modules(registry: RunningRegistry) -> int:
    wasm: WasmTools = registry.app.state.wasm
    return wasm.pool.loaded_modules


async def outcomes(registry: RunningRegistry, tool: str) -> list[str]:
    listed = await registry.ask("GET", f"/api/v1/tools/invocations?tool={tool}")
    assert listed.status_code == 200, listed.text
    return [row["outcome"] for row in listed.json()["items"]]


async def test_a_module_in_the_text_format_is_registered_and_its_tools_are_called(
    registry: RunningRegistry, owner: WasmOwner
) -> None:
    server = await owner.server(arithmetic())
    assert (server["transport"], server["url"], server["command"], server["warnings"]) == ("wasm", None, None, [])
    tool = await registry.tool("math.sum")
    assert (tool["state"], tool["description"]) == ("active", "The sum of whole numbers, of 64 bits.")
    assert said(await registry.invoke("math.sum", {"numbers": [40, 2]})) == ("42", False)
    assert said(await registry.invoke("math.product", {"numbers": []})) == ("There are no numbers.", True)
    refused = await registry.invoke("math.sum", {"numbers": ["two"]})
    assert "not valid" in refused["content"]
    assert await outcomes(registry, "math.sum") == ["invalid_arguments", "completed"]


async def test_what_reaches_nothing_outside_has_no_side_effect_unless_its_owner_says_so(
    registry: RunningRegistry, owner: WasmOwner
) -> None:
    await owner.server(arithmetic())
    assert (await registry.tool("math.sum"))["side_effect"] == "none"
    await registry.register(
        "told", transport="wasm", wasm={"module": await owner.upload(arithmetic())}, side_effect="read"
    )
    assert (await registry.tool("told.sum"))["side_effect"] == "read"


@pytest.mark.parametrize(
    ("tool", "outcome", "told"),
    [
        ("spin", "limit_exceeded", "used up its fuel of 50000000"),
        ("grow", "limit_exceeded", "more memory than its 2 MiB"),
        ("trap", "trapped", "unreachable"),
        ("outside", "trapped", "outside its memory"),
        ("long", "too_large", "over 10000 bytes"),
    ],
)
async def test_a_call_that_goes_wrong_says_why_and_the_next_one_is_fine(
    registry: RunningRegistry, owner: WasmOwner, tool: str, outcome: str, told: str
) -> None:
    await owner.server(hostile(), "bad", limits=SMALL)
    text, is_error = said(await registry.invoke(f"bad.{tool}"))
    assert is_error
    assert told in text
    assert await outcomes(registry, f"bad.{tool}") == [outcome]
    assert said(await registry.invoke("bad.remember")) == ("0", False)


async def test_a_call_is_ended_at_its_time_limit_and_others_go_on_meanwhile(
    registry: RunningRegistry, owner: WasmOwner
) -> None:
    await owner.server(hostile(), "slow", limits={"fuel": 1_000_000_000_000, "timeout_ms": 300})
    await owner.server(arithmetic())
    spinning = [asyncio.create_task(registry.invoke("slow.spin")) for _ in range(3)]
    answers = await asyncio.gather(*(registry.invoke("math.sum", {"numbers": [number, 1]}) for number in range(10)))
    assert [said(answer) for answer in answers] == [(str(number + 1), False) for number in range(10)]
    for answer in await asyncio.gather(*spinning):
        assert "did not end within its 300 ms" in answer["content"]


async def test_what_calls_used_is_told(registry: RunningRegistry, owner: WasmOwner) -> None:
    server = await owner.server(hostile(), "bad", limits=SMALL)
    before = await owner.wasm(server)
    assert (before["state"], before["usage"]["calls"], before["limits"]) == ("started", 0, SMALL)
    for tool in ("spin", "grow", "trap", "remember"):
        await registry.invoke(f"bad.{tool}")
    usage = (await owner.wasm(server))["usage"]
    counted = ("calls", "errors", "traps", "over_fuel", "over_memory_mb", "over_timeout_ms", "running")
    assert [usage[name] for name in counted] == [4, 3, 1, 1, 1, 0, 0]
    assert usage["most_fuel"] == SMALL["fuel"] < usage["fuel"]
    assert usage["most_memory_bytes"] == 2 * 1_048_576
    assert usage["last_used_at"]
    health = (await registry.ask("GET", f"{SERVERS}/{server['id']}/health")).json()
    assert [health[name] for name in ("state", "calls", "failures", "failures_in_a_row")] == ["connected", 4, 3, 0]
    assert "unreachable" in health["last_failure"]
    nothing = await registry.ask("GET", f"{SERVERS}/{server['id']}/resources")
    assert "has tools, and nothing else" in nothing.json()["detail"]


async def test_another_module_is_pinned_as_it_is_when_its_owner_puts_it_there(
    registry: RunningRegistry, owner: WasmOwner
) -> None:
    server = await owner.server(arithmetic())
    number = {"type": "object", "properties": {"text": {"type": "string"}}}
    tools: list[JsonObject] = [
        {"name": name, "description": name, "inputSchema": {"type": "object"}} for name in HOSTILE_TOOLS
    ]
    tools[2]["name"], tools[7] = "sum", {"name": "product", "description": "changed", "inputSchema": number}
    changed = await owner.upload(with_tools(tools))
    answer = await registry.ask("PUT", f"{SERVERS}/{server['id']}/wasm", {"module": changed, "limits": SMALL})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (sorted(found["changed"]), found["removed"], found["server"]["limits"]) == (
        ["math.product", "math.sum"],
        [],
        SMALL,
    )
    assert len(found["added"]) == 6
    tool = await registry.tool("math.product")
    assert (tool["state"], tool["description"], tool["side_effect"]) == ("active", "changed", "none")
    assert (await registry.tool("math.spin"))["side_effect"] == "none"
    assert said(await registry.invoke("math.product")) == ("0", False)
    assert "unreachable" in (await registry.invoke("math.sum"))["content"]
    back = {"module": await owner.upload(arithmetic())}
    assert len((await registry.ask("PUT", f"{SERVERS}/{server['id']}/wasm", back)).json()["removed"]) == 6
    assert said(await registry.invoke("math.sum", {"numbers": [1]})) == ("1", False)


async def test_a_stopped_server_takes_no_calls_and_leaves_nothing_behind(
    registry: RunningRegistry, owner: WasmOwner
) -> None:
    before = loaded_modules(registry)
    server = await owner.server(arithmetic() + b";; of this test alone")
    await registry.invoke("math.sum", {"numbers": [1]})
    assert loaded_modules(registry) == before + 1
    assert (await owner.wasm(server))["loaded"]
    stopped = await owner.tell(server, "stop")
    assert (stopped["state"], stopped["loaded"]) == ("stopped", False)
    assert loaded_modules(registry) == before
    engines = [found for found in gc.get_objects() if isinstance(found, WasmEngine)]
    assert {engine.running for engine in engines} == {0}
    refused = await registry.invoke("math.sum", {"numbers": [1]})
    assert "is stopped" in refused["content"]
    assert await outcomes(registry, "math.sum") == ["stopped", "completed"]
    assert (await owner.tell(server, "stop"))["state"] == "stopped"
    assert (await owner.tell(server, "start"))["state"] == "started"
    assert said(await registry.invoke("math.sum", {"numbers": [2]})) == ("2", False)
    assert not (await owner.tell(server, "restart"))["loaded"]
    assert said(await registry.invoke("math.sum", {"numbers": [3]})) == ("3", False)


async def test_a_call_under_way_ends_before_its_server_has_stopped(registry: RunningRegistry, owner: WasmOwner) -> None:
    server = await owner.server(hostile(), "slow", limits={"fuel": 1_000_000_000_000, "timeout_ms": 2_000})
    spinning = asyncio.create_task(registry.invoke("slow.spin"))

    async def runs() -> bool:
        return (await owner.wasm(server))["usage"]["running"] == 1

    await eventually(runs, describe="the call is under way")
    assert (await owner.tell(server, "stop"))["usage"]["running"] == 0
    assert "did not end" in (await spinning)["content"]


async def test_a_deleted_server_is_gone_with_its_tools(registry: RunningRegistry, owner: WasmOwner) -> None:
    before = loaded_modules(registry)
    server = await owner.server(arithmetic() + b";; of that test alone")
    assert (await registry.ask("DELETE", f"{SERVERS}/{server['id']}")).status_code == 204
    assert (await registry.ask("GET", f"{SERVERS}/{server['id']}/wasm")).status_code == 404
    assert "no tool named" in (await registry.invoke("math.sum", {"numbers": [1]}))["content"]
    assert loaded_modules(registry) == before


async def test_a_refresh_reads_the_module_again(registry: RunningRegistry, owner: WasmOwner) -> None:
    server = await owner.server(arithmetic())
    answer = await registry.ask("POST", f"{SERVERS}/{server['id']}/refresh", {})
    assert answer.status_code == 200, answer.text
    assert answer.json()["unchanged"] == ["math.product", "math.sum"]


async def test_modules_are_kept_once_listed_and_deleted_when_nothing_is_made_of_them(
    registry: RunningRegistry, owner: WasmOwner
) -> None:
    used, unused = await owner.upload(arithmetic()), await owner.upload(hostile())
    assert await owner.upload(hostile()) == unused
    await owner.server(arithmetic())
    listed = (await registry.ask("GET", MODULES)).json()["items"]
    assert [(row["sha256"], row["size"]) for row in listed] == [(unused, len(hostile())), (used, len(arithmetic()))]
    assert (await registry.ask("DELETE", f"{MODULES}/{unused}")).status_code == 204
    assert (await registry.ask("DELETE", f"{MODULES}/{unused}")).status_code == 404
    in_use = await registry.ask("DELETE", f"{MODULES}/{used}")
    assert (in_use.status_code, in_use.json()["code"]) == (409, "wasm_module_in_use")


async def test_nobody_uses_anothers_module_or_server(registry: RunningRegistry, owner: WasmOwner) -> None:
    server = await owner.server(arithmetic())
    stranger = f"stranger-{uuid.uuid4().hex}"
    theirs = await owner.upload(hostile(), owner=stranger)
    taken = await owner.ask_for_server({"module": theirs}, "theirs")
    assert (taken.status_code, taken.json()["code"]) == (404, "wasm_module_not_found")
    for method, path, body in (
        ("GET", "wasm", None),
        ("PUT", "wasm", {"module": theirs}),
        ("POST", "stop", None),
        ("POST", "start", None),
        ("POST", "restart", None),
    ):
        answer = await registry.ask(method, f"{SERVERS}/{server['id']}/{path}", body, owner=stranger)
        assert (answer.status_code, answer.json()["code"]) == (404, "mcp_server_not_found")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"(module", "expected"),
        (b"\0asm\x01\0\0\0garbage", "unexpected end|section|malformed|invalid"),
        (b"\0asm\x07\0\0\0", "version|neither"),
        (b'(module (import "env" "now" (func)))', "asks for env.now"),
        (b'(component (import "host:secrets/vault" (instance)))', "host:secrets/vault|exports no interface"),
        (b"(component)", "exports no interface kgents:tools/provider"),
    ],
)
async def test_what_is_no_module_of_tools_is_refused_with_its_reason(
    owner: WasmOwner, source: bytes, reason: str
) -> None:
    answer = await owner.ask_for_server({"module": await owner.upload(source)})
    assert (answer.status_code, answer.json()["code"]) == (422, "wasm_module_refused")
    detail = answer.json()["detail"]
    assert any(word in detail for word in reason.split("|")), detail


async def test_a_module_whose_listing_does_not_end_is_refused(owner: WasmOwner) -> None:
    text = hostile().replace(
        b'(func (export "kgents_list") (result i64)', b'(func (export "kgents_list") (result i64) (loop $l (br $l))'
    )
    answer = await owner.ask_for_server({"module": await owner.upload(text), "limits": SMALL})
    assert answer.status_code == 422
    assert "used up its fuel" in answer.json()["detail"]


async def test_tools_that_can_not_be_taken_are_left_out_with_a_warning(
    registry: RunningRegistry, owner: WasmOwner
) -> None:
    tools = [
        {"name": "fine", "description": "fine", "inputSchema": {"type": "object"}},
        {"name": "no name\n", "description": "", "inputSchema": {"type": "object"}},
        {"name": 7, "description": "", "inputSchema": {"type": "object"}},
        {"name": "list", "description": "", "inputSchema": []},
        {"name": "wrong", "description": "", "inputSchema": {"type": "string"}},
    ]
    server = await owner.server(with_tools(tools), "mixed")
    listed = await registry.ask("GET", f"/api/v1/tools?server_id={server['id']}")
    assert [row["name"] for row in listed.json()["items"]] == ["mixed.fine"]
    assert len(server["warnings"]) == 3


@pytest.mark.parametrize(
    "wasm",
    [
        {"limits": {"fuel": 0}},
        {"limits": {"memory_mb": 4096}},
        {"limits": {"timeout_ms": 3_600_000}},
        {"grants": {"network": True}},
        {"grants": {"files": ["/"]}},
        {"grants": {"env": {"not a name": "x"}}},
        {"module": "../../etc/passwd"},
    ],
)
async def test_nothing_beyond_what_there_is_can_be_asked_for(owner: WasmOwner, wasm: JsonObject) -> None:
    answer = await owner.ask_for_server({"module": "0" * 64, **wasm})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input"), answer.text


@pytest.mark.parametrize(
    "body",
    [
        {"transport": "wasm"},
        {"transport": "stdio", "command": "x", "wasm": {"module": "0" * 64}},
        {"transport": "wasm", "wasm": {"module": "0" * 64}, "url": "http://127.0.0.1/"},
        {"transport": "wasm", "wasm": {"module": "0" * 64}, "credential_ref": "mcp/key"},
    ],
)
async def test_a_wasm_server_is_reached_no_other_way(registry: RunningRegistry, body: dict[str, Any]) -> None:
    answer = await registry.ask("POST", SERVERS, {"name": "x", **body})
    assert answer.status_code == 422


async def test_secrets_do_not_stand_in_a_servers_variables(owner: WasmOwner) -> None:
    answer = await owner.ask_for_server({"module": "0" * 64, "grants": {"env": {"API_KEY": "hunter2"}}})
    assert (answer.status_code, answer.json()["code"]) == (422, "secret_in_document")
    assert "hunter2" not in answer.text


async def test_uploads_are_bounded(registry: RunningRegistry, owner: WasmOwner) -> None:
    headers = registry.issuer.person(registry.owner)
    empty = await registry.http.post(MODULES, content=b"", headers=headers)
    assert (empty.status_code, empty.json()["code"]) == (422, "wasm_module_refused")
    stranger = await registry.http.post(MODULES, content=b"x" * 100)
    assert stranger.status_code == 401
    large = await registry.http.post(MODULES, content=b"", headers=headers | {"content-length": "33554433"})
    assert large.status_code == 413
    elsewhere = await registry.http.post(SERVERS, content=b"", headers=headers | {"content-length": "1048577"})
    assert elsewhere.status_code == 413
    script = await registry.http.post(MODULES, content=b"#!/bin/sh", headers=headers)
    assert (script.status_code, script.json()["code"]) == (422, "wasm_module_refused")
    await owner.upload(b"\0asm" + b"x" * 2_000_000)


async def test_the_modules_of_one_owner_are_bounded_together(database_url: str) -> None:
    async with running_registry(database_url, wasm_owner_bytes=3_000) as registry:
        owner = WasmOwner(registry)
        await owner.upload(b";;" + b"a" * 1_998)
        headers = registry.issuer.person(registry.owner)
        answer = await registry.http.post(MODULES, content=b";;" + b"b" * 1_998, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "wasm_module_refused")
        assert "4000 bytes" in answer.json()["detail"]


async def test_a_server_that_is_no_module_has_no_wasm_part(registry: RunningRegistry, owner: WasmOwner) -> None:
    answer = await registry.ask("GET", f"{SERVERS}/{uuid.uuid4()}/wasm")
    assert (answer.status_code, answer.json()["code"]) == (404, "mcp_server_not_found")


async def test_compiled_code_is_used_again_but_not_what_somebody_else_wrote_there(
    database_url: str, tmp_path: Path
) -> None:
    source = arithmetic() + b";; of this test alone"
    async with running_registry(database_url, wasm_cache_dir=tmp_path) as first:
        await WasmOwner(first).server(source)
    kept, good = only_file(tmp_path)
    assert (kept.suffix, kept.stat().st_mode & 0o777) == (".native", 0o600)
    async with running_registry(database_url, wasm_cache_dir=tmp_path) as second:
        second.owner = first.owner
        assert said(await second.invoke("math.sum", {"numbers": [5]})) == ("5", False)
    assert only_file(tmp_path) == (kept, good)
    spoiled = bytearray(good)
    spoiled[len(good) // 2] ^= 1
    kept.write_bytes(bytes(spoiled))
    async with running_registry(database_url, wasm_cache_dir=tmp_path) as third:
        third.owner = first.owner
        assert said(await third.invoke("math.sum", {"numbers": [6]})) == ("6", False)
    assert only_file(tmp_path) == (kept, good)


def only_file(folder: Path) -> tuple[Path, bytes]:
    (found,) = folder.iterdir()
    return found, found.read_bytes()
