"""Core modules: numbers in, numbers out, and one memory that both sides read (docs/wasm-tools.md has the ABI).

The calls go to wasmtime's C functions with arguments that are laid out by hand: what its Python objects add costs
more than most tools do.
"""

from __future__ import annotations

import ctypes
import json
from ctypes import POINTER, byref, c_uint64
from typing import Any, Self, cast

import wasmtime
from wasmtime import _bindings as c
from wasmtime import _ffi as ffi

from tool_registry_service.errors import AnswerTooLarge, ToolCallFault
from tool_registry_service.wasm_tools.engine import MAX_TABLE_ELEMENTS, WasmEngine
from tool_registry_service.wasm_tools.faults import NotATool, ToolTrapped
from tool_registry_service.wasm_tools.limits import WasmLimits
from tool_registry_service.wasm_tools.program import MAX_LISTING_BYTES, Offered, Returned, Spent
from tool_registry_service.wasm_tools.traps import CallBounds

_MEMORY, _ALLOC, _LIST, _CALL, _START = b"memory", b"kgents_alloc", b"kgents_list", b"kgents_call", b"_initialize"
_FUNCTIONS = {"kgents_alloc": (["i32"], ["i32"]), "kgents_list": ([], ["i64"]), "kgents_call": (["i32"] * 3, ["i64"])}
_LENGTH, _ERROR, _LOW = 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF
_NO_FINALIZER = ctypes.cast(0, ctypes.CFUNCTYPE(None, ctypes.c_void_p))
_NAMES = {name: ctypes.create_string_buffer(name) for name in (_MEMORY, _ALLOC, _LIST, _CALL, _START)}
_Raw = Any  # what comes from wasmtime's C functions has no types


def _function(name: str, result: Any = None) -> _Raw:
    """One of wasmtime's C functions itself: the call through its Python twin costs as much as the function does."""
    declared = vars(c)[f"_{name}"]
    function = vars(ffi)["dll"][name]
    function.argtypes, function.restype = declared.argtypes, result or declared.restype
    return function


_store_new = _function("wasmtime_store_new")
_store_context = _function("wasmtime_store_context")
_store_limiter = _function("wasmtime_store_limiter")
_store_delete = _function("wasmtime_store_delete")
_set_fuel = _function("wasmtime_context_set_fuel")
_get_fuel = _function("wasmtime_context_get_fuel")
_set_deadline = _function("wasmtime_context_set_epoch_deadline")
_instantiate = _function("wasmtime_instance_pre_instantiate")
_export_get = _function("wasmtime_instance_export_get")
_memory_size = _function("wasmtime_memory_data_size")
_memory_at = _function("wasmtime_memory_data", ctypes.c_void_p)
_func_call = _function("wasmtime_func_call_unchecked")


class CoreProgram:
    """A compiled core module without imports."""

    def __init__(self, engine: WasmEngine, module: wasmtime.Module, max_answer_bytes: int) -> None:
        self.starts = _check(module)
        self.engine = engine
        self._max_answer_bytes = max_answer_bytes
        self.prepared = wasmtime.Linker(engine.engine).instantiate_pre(module)
        self._tools: dict[str, int] = {}

    def offered(self, limits: WasmLimits, spent: Spent) -> list[Offered]:
        """The tools of `kgents_list`, in its order."""
        with self.engine, _Instance(self, limits, spent) as instance:
            _, listing = instance.text(instance.list_tools(), MAX_LISTING_BYTES)
        try:
            rows = json.loads(listing)["tools"]
            found = [Offered(row["name"], row.get("description", ""), row["inputSchema"]) for row in rows]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise NotATool(
                'what kgents_list gives isn\'t {"tools": [{"name", "description", "inputSchema"}, …]} in JSON'
            ) from error
        self._tools = {str(tool.name): number for number, tool in enumerate(found)}
        return found

    def call(self, tool: str, arguments: str, limits: WasmLimits, spent: Spent) -> Returned:
        """Call `kgents_call` with the tool's number."""
        if not self._tools:
            self.offered(limits, Spent())
        number = self._tools.get(tool)
        if number is None:
            raise ToolTrapped(f"The module has no tool named {tool}.")
        given = arguments.encode()
        with self.engine, _Instance(self, limits, spent) as instance:
            is_error, text = instance.text(instance.call(number, given), self._max_answer_bytes)
        return Returned(text, is_error)


def _check(module: wasmtime.Module) -> bool:
    """Whether the module wants to be initialized. Raises `NotATool` where it imports anything, or isn't of the ABI."""
    imports = [f"{row.module}.{row.name}" for row in module.imports]
    if imports:
        raise NotATool(
            f"a core module gets no imports, and this one asks for {', '.join(imports[:5])}: make a component"
        )
    exports = {row.name: row.type for row in module.exports}
    memory = exports.get("memory")
    if not isinstance(memory, wasmtime.MemoryType) or memory.is_64 or memory.is_shared:
        raise NotATool("it exports no memory named memory")
    for name, (params, results) in _FUNCTIONS.items():
        found = exports.get(name)
        if not isinstance(found, wasmtime.FuncType) or (
            [str(row) for row in found.params], [str(row) for row in found.results]
        ) != (params, results):  # fmt: skip
            raise NotATool(f"it exports no function {name}: ({' '.join(params)}) -> {results[0]}")
    start = exports.get("_initialize")
    return isinstance(start, wasmtime.FuncType) and not start.params and not start.results


class _Instance:
    """An instance for one call; the store that holds it goes at the end of the block."""

    __slots__ = ("_bounds", "_context", "_instance", "_limits", "_memory", "_spent", "_store", "_trap", "_values")

    def __init__(self, program: CoreProgram, limits: WasmLimits, spent: Spent) -> None:
        self._limits, self._spent, self._bounds = limits, spent, CallBounds(limits)
        self._store = _store_new(program.engine.engine.ptr(), None, _NO_FINALIZER)
        self._context = context = _store_context(self._store)
        self._trap = POINTER(ffi.wasm_trap_t)()
        self._values = (ffi.wasmtime_val_raw_t * 3)()
        instance = ffi.wasmtime_instance_t()
        self._instance = byref(instance)
        self._memory: _Raw = None
        try:
            _store_limiter(self._store, limits.memory_bytes, MAX_TABLE_ELEMENTS, 1, -1, 1)
            _set_fuel(context, limits.fuel)
            _set_deadline(context, program.engine.ticks(limits.timeout_ms))
            error = _instantiate(program.prepared.ptr(), context, self._instance, byref(self._trap))
            if error or self._trap:
                raise self._fault(error)
            self._memory = byref(self._export(_MEMORY).memory)
            if program.starts:
                self._run(_START)
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        self._spent.fuel = self._limits.fuel - self._fuel_left()
        self._spent.memory_bytes = self._memory_bytes()
        _store_delete(self._store)

    def list_tools(self) -> int:
        """Where the listing is."""
        return self._run(_LIST)

    def call(self, number: int, arguments: bytes) -> int:
        """Where the answer to a call is."""
        length, values = len(arguments), self._values
        values[0].i32 = length
        at = self._run(_ALLOC) & _LOW
        if at + length > self._memory_bytes():
            raise ToolTrapped("The module's kgents_alloc gave a place outside its memory.")
        ctypes.memmove(_memory_at(self._context, self._memory) + at, arguments, length)
        values[0].i32, values[1].i32, values[2].i32 = number, at, length
        return self._run(_CALL)

    def text(self, place: int, most: int) -> tuple[bool, str]:
        """The text at a place that the module gave, and whether it is called an error."""
        at, marked = (place >> 32) & _LOW, place & _LOW
        length = marked & _LENGTH
        if length > most:
            raise AnswerTooLarge(f"The answer has {length} bytes, over {most} bytes, the most that is read.")
        if at + length > self._memory_bytes():
            raise ToolTrapped("The module's answer lies outside its memory.")
        found = ctypes.string_at(_memory_at(self._context, self._memory) + at, length)
        return bool(marked & _ERROR), found.decode("utf-8", "replace")

    def _run(self, name: bytes) -> int:
        """Call an export with what stands in `_values`."""
        function = byref(self._export(name).func)
        error = _func_call(self._context, function, self._values, 3, byref(self._trap))
        if error or self._trap:
            raise self._fault(error)
        return cast("int", self._values[0].i64)

    def _export(self, name: bytes) -> _Raw:
        found = ffi.wasmtime_extern_t()
        _export_get(self._context, self._instance, _NAMES[name], len(name), byref(found))
        return found.of

    def _memory_bytes(self) -> int:
        return 0 if self._memory is None else _memory_size(self._context, self._memory)

    def _fuel_left(self) -> int:
        fuel = c_uint64()
        _get_fuel(self._context, byref(fuel))
        return fuel.value

    def _fault(self, error: _Raw) -> ToolCallFault:
        """What wasmtime told of, by an error or a trap."""
        if error:
            message = str(wasmtime.WasmtimeError._from_ptr(error))  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] -- no other way in
        else:
            message = wasmtime.Trap._from_ptr(self._trap).message  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            self._trap = POINTER(ffi.wasm_trap_t)()
        return self._bounds.fault(message, self._fuel_left(), self._memory_bytes())
