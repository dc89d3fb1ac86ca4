"""What a loaded module can be asked, whichever of the two ABIs it speaks."""

from dataclasses import dataclass
from typing import Any, Protocol

from tool_registry_service.wasm_tools.limits import WasmLimits

MAX_LISTING_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class Offered:
    """A tool as its module defines it; nobody has looked at it yet."""

    name: Any
    description: Any
    input_schema: Any


@dataclass(slots=True)
class Spent:
    """What a call used. `memory_bytes` is None where wasmtime doesn't tell, which is for components."""

    fuel: int = 0
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Returned:
    """What a tool gave back."""

    text: str
    is_error: bool


class Program(Protocol):
    """A compiled module. Its methods block; each call gets an instance of its own that is gone afterwards.

    Both raise `LimitExceeded`, `ToolTrapped`, `AnswerTooLarge`, and fill `spent` also then.
    """

    def offered(self, limits: WasmLimits, spent: Spent) -> list[Offered]:
        """The tools that the module has."""
        ...

    def call(self, tool: str, arguments: str, limits: WasmLimits, spent: Spent) -> Returned:
        """Call one of them with arguments as JSON text."""
        ...
