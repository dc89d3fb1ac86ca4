"""Components, and what they get of the outside: nothing but what is named."""

from __future__ import annotations

from collections.abc import Generator

import pytest
import wasmtime
from wasmtime import component as wc

from tests.external.wasm_modules import OUTSIDE_TOOLS, outside
from tool_registry_service.wasm_tools.component_program import ComponentProgram
from tool_registry_service.wasm_tools.engine import WasmEngine
from tool_registry_service.wasm_tools.faults import LimitExceeded, NotATool, ToolTrapped
from tool_registry_service.wasm_tools.limits import WasmGrants, WasmLimits
from tool_registry_service.wasm_tools.program import Spent

LIMITS = WasmLimits(fuel=1_000_000, memory_mb=64)
ALL = WasmGrants(clock=True, random=True, env={"REGION": "north"})


@pytest.fixture(scope="module")
def engine() -> Generator[WasmEngine]:
    made = WasmEngine()
    yield made
    made.close()


@pytest.fixture(scope="module")
def component(engine: WasmEngine) -> wc.Component:
    return wc.Component(engine.engine, bytes(wasmtime.wat2wasm(outside())))


def answer(
    engine: WasmEngine, component: wc.Component, tool: str, grants: WasmGrants, limits: WasmLimits = LIMITS
) -> str:
    return ComponentProgram(engine, component, grants, 10_000).call(tool, "{}", limits, Spent()).text


def test_a_component_says_which_tools_it_has(engine: WasmEngine, component: wc.Component) -> None:
    found = ComponentProgram(engine, component, WasmGrants(), 10_000).offered(LIMITS, Spent())
    assert [(tool.name, tool.input_schema) for tool in found] == [(name, {"type": "object"}) for name in OUTSIDE_TOOLS]


@pytest.mark.parametrize(
    ("tool", "named"),
    [
        ("random", r'wasi:random/random#get-random-bytes.*\(grants: {"random": true}\)'),
        ("now", r'wasi:clocks/monotonic-clock#now.*\(grants: {"clock": true}\)'),
    ],
)
def test_what_is_not_granted_ends_the_call_and_is_named(
    engine: WasmEngine, component: wc.Component, tool: str, named: str
) -> None:
    with pytest.raises(ToolTrapped, match=named):
        answer(engine, component, tool, WasmGrants())
    assert answer(engine, component, tool, ALL) in ("", "done")


@pytest.mark.parametrize("grants", [WasmGrants(), ALL], ids=["nothing granted", "all granted"])
def test_files_and_the_network_are_never_there(engine: WasmEngine, component: wc.Component, grants: WasmGrants) -> None:
    with pytest.raises(ToolTrapped, match="wasi:sockets/instance-network#instance-network, which no tool is granted"):
        answer(engine, component, "sockets", grants)
    assert answer(engine, component, "directories", grants) == "done"


def test_a_component_sees_its_own_variables_alone(
    engine: WasmEngine, component: wc.Component, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOOLS_CLIENT_SECRET", "canary")
    assert answer(engine, component, "environment", WasmGrants()) == "done"
    assert answer(engine, component, "environment", ALL) == "north"


def test_what_a_failing_component_wrote_is_told(engine: WasmEngine, component: wc.Component) -> None:
    with pytest.raises(ToolTrapped, match="It wrote: a line for nobody"):
        answer(engine, component, "write", WasmGrants())


def test_the_host_copies_no_more_than_it_has_room_for(engine: WasmEngine, component: wc.Component) -> None:
    with pytest.raises(ToolTrapped, match="too much data"):
        answer(engine, component, "flood", WasmGrants())
    with pytest.raises(ToolTrapped, match="100000000000 random bytes"):
        answer(engine, component, "huge", ALL)


def test_limits_hold_for_components(engine: WasmEngine, component: wc.Component) -> None:
    program, spent = ComponentProgram(engine, component, WasmGrants(), 10_000), Spent()
    assert program.call("inside", "{}", LIMITS, spent).text == "done"
    assert 0 < spent.fuel < 1_000
    with pytest.raises(LimitExceeded, match="fuel of 1000000") as caught:
        program.call("loop", "{}", LIMITS, spent)
    assert (caught.value.limit, spent.fuel) == ("fuel", LIMITS.fuel)
    with pytest.raises(LimitExceeded, match="within its 20 ms"):
        program.call("loop", "{}", WasmLimits(fuel=1_000_000_000_000, timeout_ms=20), Spent())


def test_a_component_that_imports_more_than_wasi_is_refused(engine: WasmEngine) -> None:
    text = '(component (import "host:secrets/vault" (instance (export "read" (func)))))'
    with pytest.raises(NotATool, match="imports what no tool is given: host:secrets/vault"):
        ComponentProgram(engine, wc.Component(engine.engine, text), WasmGrants(), 10_000)


def test_a_component_without_the_interface_is_refused(engine: WasmEngine) -> None:
    with pytest.raises(NotATool, match="exports no interface kgents:tools/provider"):
        ComponentProgram(engine, wc.Component(engine.engine, "(component)"), WasmGrants(), 10_000)
