"""Core modules against their limits, without a registry around them."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

import pytest
import wasmtime

from kgents_shared.testing.polling import eventually
from tests.external.wasm_modules import arithmetic, hostile, with_tools
from tool_registry_service.errors import AnswerTooLarge
from tool_registry_service.wasm_tools.core_program import CoreProgram
from tool_registry_service.wasm_tools.engine import WasmEngine
from tool_registry_service.wasm_tools.faults import LimitExceeded, NotATool, ToolTrapped
from tool_registry_service.wasm_tools.limits import WasmLimits
from tool_registry_service.wasm_tools.program import Returned, Spent

LIMITS = WasmLimits(fuel=50_000_000, memory_mb=2, timeout_ms=2_000)


@pytest.fixture(scope="module")
def engine() -> Generator[WasmEngine]:
    made = WasmEngine()
    yield made
    assert made.running == 0
    made.close()


def program(engine: WasmEngine, text: bytes) -> CoreProgram:
    return CoreProgram(engine, wasmtime.Module(engine.engine, text), 10_000)


@pytest.fixture(scope="module")
def sums(engine: WasmEngine) -> CoreProgram:
    return program(engine, arithmetic())


@pytest.fixture(scope="module")
def bad(engine: WasmEngine) -> CoreProgram:
    return program(engine, hostile())


def test_the_sample_says_which_tools_it_has(sums: CoreProgram) -> None:
    found = sums.offered(LIMITS, Spent())
    assert [tool.name for tool in found] == ["sum", "product"]
    assert all(tool.input_schema["required"] == ["numbers"] for tool in found)


@pytest.mark.parametrize(
    ("tool", "arguments", "answer"),
    [
        ("sum", '{"numbers":[1,2,39]}', "42"),
        ("sum", '{"numbers": [-5, 3]}', "-2"),
        ("sum", '{"numbers":[0]}', "0"),
        ("product", '{"numbers":[-6,7]}', "-42"),
        ("sum", '{"numbers":[' + ",".join(["1"] * 60_000) + "]}", "60000"),
    ],
)
def test_the_sample_calculates(sums: CoreProgram, tool: str, arguments: str, answer: str) -> None:
    assert sums.call(tool, arguments, LIMITS, Spent()) == Returned(answer, is_error=False)


def test_a_tool_says_that_its_answer_is_an_error(sums: CoreProgram) -> None:
    assert sums.call("sum", '{"numbers":[]}', LIMITS, Spent()) == Returned("There are no numbers.", is_error=True)


def test_what_a_call_used_is_told(sums: CoreProgram) -> None:
    few, many = Spent(), Spent()
    sums.call("sum", '{"numbers":[1]}', LIMITS, few)
    sums.call("sum", '{"numbers":[' + ",".join(["1"] * 60_000) + "]}", LIMITS, many)
    assert 0 < few.fuel < many.fuel < LIMITS.fuel
    assert (few.memory_bytes, many.memory_bytes) == (65_536, 131_072)


def test_a_tool_without_end_runs_out_of_fuel(bad: CoreProgram) -> None:
    spent = Spent()
    with pytest.raises(LimitExceeded, match="fuel of 50000000") as caught:
        bad.call("spin", "{}", LIMITS, spent)
    assert (caught.value.limit, caught.value.outcome, spent.fuel) == ("fuel", "limit_exceeded", LIMITS.fuel)


def test_a_tool_without_end_runs_out_of_time_where_it_has_fuel(bad: CoreProgram) -> None:
    limits = WasmLimits(fuel=1_000_000_000_000, memory_mb=2, timeout_ms=50)
    with pytest.raises(LimitExceeded, match="within its 50 ms") as caught:
        bad.call("spin", "{}", limits, Spent())
    assert caught.value.limit == "timeout_ms"


async def test_time_is_counted_again_after_nothing_ran_for_a_while(engine: WasmEngine, bad: CoreProgram) -> None:
    async def sleeps() -> bool:
        return engine.is_asleep

    await eventually(sleeps, describe="the clock stops")
    with pytest.raises(LimitExceeded, match="within its 50 ms"):
        bad.call("spin", "{}", WasmLimits(fuel=1_000_000_000_000, timeout_ms=50), Spent())
    assert not engine.is_asleep


def test_a_tool_gets_no_more_memory_than_its_limit(bad: CoreProgram) -> None:
    spent = Spent()
    with pytest.raises(LimitExceeded, match="more memory than its 2 MiB") as caught:
        bad.call("grow", "{}", LIMITS, spent)
    assert (caught.value.limit, spent.memory_bytes) == ("memory_mb", 2 * 1_048_576)


def test_a_module_that_begins_over_the_limit_of_memory_is_told_as_that(engine: WasmEngine) -> None:
    large = program(engine, hostile().replace(b'(memory (export "memory") 1)', b'(memory (export "memory") 33)'))
    with pytest.raises(LimitExceeded, match="memory"):
        large.call("remember", "{}", LIMITS, Spent())


@pytest.mark.parametrize(
    ("tool", "said"),
    [("trap", "unreachable"), ("recurse", "stack"), ("outside", "outside its memory")],
)
def test_a_module_that_fails_is_told_as_that(bad: CoreProgram, tool: str, said: str) -> None:
    with pytest.raises(ToolTrapped, match=said):
        bad.call(tool, "{}", LIMITS, Spent())


def test_no_more_of_an_answer_is_read_than_may_be(bad: CoreProgram) -> None:
    with pytest.raises(AnswerTooLarge, match="65536 bytes"):
        bad.call("long", "{}", LIMITS, Spent())


def test_bytes_that_are_no_text_are_marked_in_it(bad: CoreProgram) -> None:
    assert bad.call("bytes", "{}", LIMITS, Spent()).text == "A�\x00�"


def test_nothing_of_one_call_is_there_in_the_next(bad: CoreProgram) -> None:
    assert [bad.call("remember", "{}", LIMITS, Spent()).text for _ in range(3)] == ["0", "0", "0"]


def test_calls_on_many_threads_get_their_own_answers_also_beside_failing_ones(
    sums: CoreProgram, bad: CoreProgram
) -> None:
    def call(number: int) -> str:
        if number % 3 == 0:
            with pytest.raises(ToolTrapped):
                bad.call("trap", "{}", LIMITS, Spent())
        return sums.call("sum", f'{{"numbers":[{number},1]}}', LIMITS, Spent()).text

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(call, range(300))) == [str(number + 1) for number in range(300)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('(module (import "env" "time" (func)))', "asks for env.time"),
        ("(module)", "no memory named memory"),
        ('(module (memory (export "memory") i64 1))', "no memory named memory"),
        ('(module (memory (export "memory") 1))', "no function kgents_alloc"),
        (
            '(module (memory (export "memory") 1) (func (export "kgents_alloc") (param i64)))',
            r"no function kgents_alloc: \(i32\) -> i32",
        ),
    ],
)
def test_a_module_that_does_not_speak_the_abi_is_refused(engine: WasmEngine, text: str, said: str) -> None:
    with pytest.raises(NotATool, match=said):
        program(engine, text.encode())


@pytest.mark.parametrize("tools", [[{"description": "no name"}], ["text"], 7, None, [[]]])
def test_a_listing_that_is_none_is_refused(engine: WasmEngine, tools: object) -> None:
    with pytest.raises(NotATool, match="kgents_list"):
        program(engine, with_tools(tools)).offered(LIMITS, Spent())


def test_a_module_is_initialized_before_each_call_where_it_asks_for_that(engine: WasmEngine) -> None:
    text = hostile().replace(
        b"(func $deeper", b'(func (export "_initialize") (global.set $kept (i32.const 5))) (func $deeper', 1
    )
    assert program(engine, text).call("remember", "{}", LIMITS, Spent()).text == "5"


def test_as_many_calls_at_once_as_the_engine_has_room_for(sums: CoreProgram, bad: CoreProgram) -> None:
    limits = WasmLimits(fuel=1_000_000_000_000, timeout_ms=100)
    with ThreadPoolExecutor(8) as threads:
        spinning = [threads.submit(bad.call, "spin", "{}", limits, Spent()) for _ in range(8)]
        assert all(isinstance(call.exception(), LimitExceeded) for call in spinning)
    assert sums.call("sum", '{"numbers":[1]}', LIMITS, Spent()).text == "1"
