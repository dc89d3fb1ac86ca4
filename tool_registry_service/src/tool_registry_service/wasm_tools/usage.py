"""What the calls of one server used, counted in this process since it first called it."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tool_registry_service.errors import ToolCallFault
from tool_registry_service.mcp_client.health import HealthRecord
from tool_registry_service.wasm_tools.faults import LimitExceeded, ToolTrapped
from tool_registry_service.wasm_tools.program import Spent


@dataclass(slots=True)
class Usage:
    """`over` counts calls by the limit that ended them."""

    calls: int = 0
    errors: int = 0
    traps: int = 0
    over: dict[str, int] = field(default_factory=lambda: {"fuel": 0, "memory_mb": 0, "timeout_ms": 0})
    fuel: int = 0
    most_fuel: int = 0
    most_memory_bytes: int | None = None
    busy_s: float = 0.0
    last_used_at: datetime | None = None
    health: HealthRecord = field(default_factory=HealthRecord)

    def count(self, spent: Spent, began: float, fault: ToolCallFault | None, *, is_error: bool) -> None:
        """A call that began then (`time.monotonic`) has ended."""
        self.calls += 1
        self.errors += is_error
        self.fuel += spent.fuel
        self.most_fuel = max(self.most_fuel, spent.fuel)
        if spent.memory_bytes is not None:
            self.most_memory_bytes = max(self.most_memory_bytes or 0, spent.memory_bytes)
        self.busy_s += time.monotonic() - began
        self.last_used_at = datetime.now(UTC)
        if fault is None:
            self.health.answered(began)
        else:
            self.health.calls += 1
            self.health.failed(fault)
        if isinstance(fault, LimitExceeded):
            self.over[fault.limit] += 1
        elif isinstance(fault, ToolTrapped):
            self.traps += 1
