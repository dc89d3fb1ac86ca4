"""Components that export `kgents:tools/provider` (samples/wasm/wit/tools.wit)."""

from __future__ import annotations

import json
from typing import Any, cast

import wasmtime
from wasmtime import component as wc

from tool_registry_service.errors import AnswerTooLarge
from tool_registry_service.wasm_tools.engine import (
    INSTANCES_OF_ONE,
    MAX_TABLE_ELEMENTS,
    MEMORIES_OF_ONE,
    TABLES_OF_ONE,
    WasmEngine,
)
from tool_registry_service.wasm_tools.faults import NotATool, ToolTrapped
from tool_registry_service.wasm_tools.limits import WasmGrants, WasmLimits
from tool_registry_service.wasm_tools.program import MAX_LISTING_BYTES, Offered, Returned, Spent
from tool_registry_service.wasm_tools.traps import CallBounds
from tool_registry_service.wasm_tools.wasi import Outside, Wasi

INTERFACE = "kgents:tools/provider@0.1.0"
_LIST, _CALL = "list-tools", "call-tool"


class ComponentProgram:
    """A compiled component, with what its server is granted."""

    def __init__(self, engine: WasmEngine, compiled: wc.Component, grants: WasmGrants, max_answer_bytes: int) -> None:
        self._engine = engine
        self._component = compiled
        self._max_answer_bytes = max_answer_bytes
        self._wasi = Wasi(engine.engine, compiled, grants)
        provider = compiled.get_export_index(INTERFACE)
        found = None if provider is None else [compiled.get_export_index(name, provider) for name in (_LIST, _CALL)]
        if found is None or None in found:
            raise NotATool(f"it exports no interface {INTERFACE} with {_LIST} and {_CALL}")
        self._list, self._call = cast("list[wc.ExportIndex]", found)

    def offered(self, limits: WasmLimits, spent: Spent) -> list[Offered]:
        """The tools of `list-tools`."""
        try:
            rows = [
                tuple(vars(row)[name] for name in ("name", "description", "input-schema"))
                for row in self._ask(self._list, (), limits, spent)
            ]
            if sum(len(text) for row in rows for text in row) > MAX_LISTING_BYTES:
                raise NotATool(f"its definitions are over {MAX_LISTING_BYTES} characters")
            return [Offered(name, description, json.loads(schema)) for name, description, schema in rows]
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise NotATool(
                "what list-tools gives isn't a list of records with name, description and input-schema (JSON)"
            ) from error

    def call(self, tool: str, arguments: str, limits: WasmLimits, spent: Spent) -> Returned:
        """Call `call-tool`."""
        answer = self._ask(self._call, (tool, arguments), limits, spent)
        if not isinstance(answer, wc.Variant) or not isinstance(answer.payload, str):
            raise ToolTrapped("What the module's call-tool gives isn't a result<string, string>.")
        if len(answer.payload) > self._max_answer_bytes:
            raise AnswerTooLarge(f"The answer is over {self._max_answer_bytes} bytes, the most that is read.")
        return Returned(answer.payload, is_error=answer.tag == "err")

    def _ask(self, index: wc.ExportIndex, arguments: tuple[str, ...], limits: WasmLimits, spent: Spent) -> Any:
        bounds, outside = CallBounds(limits), Outside()
        store = wasmtime.Store(self._engine.engine)
        try:
            store.set_limits(limits.memory_bytes, MAX_TABLE_ELEMENTS, INSTANCES_OF_ONE, TABLES_OF_ONE, MEMORIES_OF_ONE)
            store.set_fuel(limits.fuel)
            store.set_epoch_deadline(self._engine.ticks(limits.timeout_ms))
            with self._engine, self._wasi.seen_by(outside):
                instance = self._wasi.linker.instantiate(store, self._component)
                asked = instance.get_func(store, index)
                if asked is None or [type(kind) for _, kind in asked.type(store).params] != [wc.String] * len(
                    arguments
                ):
                    raise NotATool("its list-tools or call-tool isn't the function that the interface says")
                return asked(store, *arguments)
        except wasmtime.WasmtimeError as error:
            left = store.get_fuel()
            raise bounds.fault(str(error), left, None, outside.text()) from error
        except (TypeError, ValueError, AssertionError) as error:
            # What wasmtime's Python says of a WASI function whose type isn't that of the version we know.
            raise ToolTrapped(f"The module uses WASI in a way that isn't known here ({error}).") from error
        finally:
            spent.fuel = limits.fuel - store.get_fuel()
            store.close()
