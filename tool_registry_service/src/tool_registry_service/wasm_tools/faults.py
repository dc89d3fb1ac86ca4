"""What goes wrong with WASM tools: what their owners are told of, and why a call gave no result."""

from typing import Literal

from kgents_shared.errors import Conflict, InvalidInput, NotFound
from tool_registry_service.errors import NeverSent, ToolCallFault

LimitName = Literal["fuel", "memory_mb", "timeout_ms"]


class WasmModuleNotFound(NotFound):
    """No uploaded module of this hash belongs to the caller."""

    default_code = "wasm_module_not_found"


class ModuleInUse(Conflict):
    """A module that a server is made of can't be deleted."""

    default_code = "wasm_module_in_use"


class NotAWasmServer(Conflict):
    """The server is reached another way, and has no module."""

    default_code = "not_a_wasm_server"


class WasmRefused(InvalidInput):
    """A module that can't be taken; the text says why."""

    default_code = "wasm_module_refused"


class LimitExceeded(ToolCallFault):
    """A call went over one of its server's limits and was ended."""

    outcome = "limit_exceeded"

    def __init__(self, text: str, limit: LimitName) -> None:
        super().__init__(text)
        self.limit: LimitName = limit


class ToolTrapped(ToolCallFault):
    """The module failed: it trapped, or broke the ABI."""

    outcome = "trapped"


class ServerStopped(NeverSent):
    """The server's owner has stopped it."""

    outcome = "stopped"


class ServersBusy(NeverSent):
    """No thread came free in time."""

    outcome = "busy"


class NotATool(Exception):
    """Why a module can't be used, to go on after "The module can't be taken: "."""
