"""The one wasmtime engine of a process: its bounds, its clock, and compiled code in and out.

Every instance comes from the engine's pooling allocator: a slot of memory that is wiped between uses. So the number
of instances and what they can hold together is bounded, and a new one costs less than ten microseconds.
"""

from __future__ import annotations

import threading
import time
from importlib.metadata import version
from types import TracebackType

import wasmtime
from wasmtime import _bindings as c

_TICK_MS = 5
TICK_S = _TICK_MS / 1000
MAX_MEMORY_BYTES = 256 * 1_048_576
MAX_TABLE_ELEMENTS = 200_000
MEMORIES_OF_ONE = 4
TABLES_OF_ONE = 16
INSTANCES_OF_ONE = 64
RESERVED_BYTES = 5 * 1024**3  # of addresses, not of memory: what a memory may have, and nothing else beside it
_KEPT_RESIDENT = 262_144
_IDLE_TICKS = 100
# What compiled code depends on beside its source; part of the name that it is cached under.
CONFIGURATION = f"wasmtime-{version('wasmtime')}-1"


def configuration() -> wasmtime.Config:
    """What code is compiled with, here and in the process that compiles."""
    config = wasmtime.Config()
    config.consume_fuel = True
    config.epoch_interruption = True
    config.wasm_component_model = True
    config.wasm_threads = False
    config.parallel_compilation = True
    return config


class WasmEngine:
    """What `threads` calls at once need, and no more. Compiled code runs on it; `with engine:` surrounds a call, so
    that its deadline comes.
    """

    def __init__(self, threads: int = 8) -> None:
        config = configuration()
        pooled = c.wasmtime_pooling_allocation_config_new()
        c.wasmtime_pooling_allocation_config_max_memory_size_set(pooled, MAX_MEMORY_BYTES)
        c.wasmtime_pooling_allocation_config_total_memories_set(pooled, threads * MEMORIES_OF_ONE)
        c.wasmtime_pooling_allocation_config_total_tables_set(pooled, threads * TABLES_OF_ONE)
        c.wasmtime_pooling_allocation_config_total_core_instances_set(pooled, threads * INSTANCES_OF_ONE)
        c.wasmtime_pooling_allocation_config_total_component_instances_set(pooled, threads)
        c.wasmtime_pooling_allocation_config_max_memories_per_component_set(pooled, MEMORIES_OF_ONE)
        c.wasmtime_pooling_allocation_config_max_memories_per_module_set(pooled, 1)
        c.wasmtime_pooling_allocation_config_table_elements_set(pooled, MAX_TABLE_ELEMENTS)
        c.wasmtime_pooling_allocation_config_linear_memory_keep_resident_set(pooled, _KEPT_RESIDENT)
        c.wasmtime_pooling_allocation_strategy_set(config.ptr(), pooled)
        c.wasmtime_pooling_allocation_config_delete(pooled)
        self.engine = wasmtime.Engine(config)
        self._running = 0
        self._counted = threading.Lock()
        self._asleep = False
        self._awake = threading.Event()
        self._ended = False
        self._ticker = threading.Thread(target=self._tick, name="wasm-epochs", daemon=True)
        self._ticker.start()

    @staticmethod
    def ticks(timeout_ms: int) -> int:
        """A time limit in epochs; the one that is running doesn't count."""
        return -(-timeout_ms // _TICK_MS) + 1

    def __enter__(self) -> None:
        with self._counted:
            self._running += 1
        if self._asleep:
            self._awake.set()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._counted:
            self._running -= 1

    @property
    def running(self) -> int:
        """How many calls are under way."""
        return self._running

    @property
    def is_asleep(self) -> bool:
        """Whether nothing is counted, since nothing runs."""
        return self._asleep

    def _tick(self) -> None:
        """Count epochs while calls are under way, and a moment longer: most calls are over before the next tick."""
        idle = 0
        while not self._ended:
            if idle < _IDLE_TICKS:
                time.sleep(TICK_S)
            else:
                self._awake.clear()
                self._asleep = True
                # A call that began before that was written didn't wake anybody.
                if not self._running:
                    self._awake.wait()
                self._asleep = False
            idle = 0 if self._running else idle + 1
            self.engine.increment_epoch()

    def interrupt(self, longest_ms: int) -> None:
        """End every call that is under way, none of which had more time than that."""
        for _ in range(self.ticks(longest_ms)):
            self.engine.increment_epoch()

    def close(self) -> None:
        """End the clock. No call may be under way."""
        self._ended = True
        self._awake.set()
        self._ticker.join()
