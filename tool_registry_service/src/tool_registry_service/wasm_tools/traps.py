"""What a call's failure is: which limit, or what the module did."""

import time

from tool_registry_service.errors import ToolCallFault
from tool_registry_service.wasm_tools.faults import LimitExceeded, ToolTrapped
from tool_registry_service.wasm_tools.limits import WasmLimits

_NEARLY_ALL = 0.9
_MAX_TEXT = 600
# How wasmtime, Python, Rust, Go and JavaScript say that there was no more.
_OF_MEMORY = ("exceeds memory limits", "MemoryError", "memory allocation of", "out of memory")


class CallBounds:
    """One call against its limits."""

    def __init__(self, limits: WasmLimits) -> None:
        self._limits = limits
        self._began = time.monotonic()

    def fault(self, message: str, fuel_left: int, memory_bytes: int | None, said: str = "") -> ToolCallFault:
        """What a trap means. What is measured counts; the message is the module's to forge."""
        limits = self._limits
        if fuel_left == 0:
            return LimitExceeded(f"It used up its fuel of {limits.fuel}.", limit="fuel")
        if time.monotonic() - self._began >= limits.timeout_ms / 1000:
            return LimitExceeded(f"It did not end within its {limits.timeout_ms} ms.", limit="timeout_ms")
        what = last_line(message)
        if (
            _is_of_memory(message)
            or _is_of_memory(said)
            or (memory_bytes is not None and memory_bytes >= limits.memory_bytes * _NEARLY_ALL)
        ):
            return LimitExceeded(
                f"It needs more memory than its {limits.memory_mb} MiB ({what}).{_and(said)}", limit="memory_mb"
            )
        return ToolTrapped(f"The module failed: {what}.{_and(said)}")


def _is_of_memory(message: str) -> bool:
    return any(words in message for words in _OF_MEMORY)


def last_line(message: str) -> str:
    """The cause in an error of wasmtime, without the trace."""
    lines = [line.strip() for line in message.replace("\x00", "�").splitlines() if line.strip()]
    return (lines[-1] if lines else "no reason was given").removeprefix("wasm trap: ").rstrip(".")[:_MAX_TEXT]


def _and(said: str) -> str:
    return f" It wrote: {said.strip()[-_MAX_TEXT:]}" if said.strip() else ""
