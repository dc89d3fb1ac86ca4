"""What a call of a tool is, whatever kind of tool it goes to."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol
from uuid import UUID

from kgents_shared.contracts.tools import InvokeToolRequest, SideEffect
from tool_registry_service.mcp_client.targets import ServerTarget

ToolKind = Literal["mcp", "http", "builtin"]


@dataclass(frozen=True, slots=True)
class CallableTool:
    """A tool with all that a call of it needs.

    `target` is the server of a tool of kind `mcp`; `definition` is what a tool of kind `http` is sent as. A builtin
    tool has no id and no owner. One that is `keyed` knows its calls by their keys: made again, it is the same call.
    """

    name: str
    kind: ToolKind
    remote_name: str
    state: str
    definition_hash: str
    side_effect: SideEffect
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None = None
    id: UUID | None = None
    owner_id: str | None = None
    target: ServerTarget | None = None
    definition: dict[str, Any] | None = None
    keyed: bool = False


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What a tool gave back, as text for a model; `structured` is what is held against the tool's output schema.

    With an `awaited_run` it gave nothing yet: that run of another agent is to answer, and waits for a person.
    """

    text: str
    is_error: bool = False
    structured: Any = None
    awaited_run: UUID | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a call is not made: the row's outcome, a sentence for the model, and what denied it where something did."""

    outcome: str
    text: str
    denied_by: dict[str, Any] | None = None


class Gate(Protocol):
    """One of the questions that every call passes, in order."""

    async def refusal(self, call: InvokeToolRequest, tool: CallableTool) -> Refused | None:
        """Why the call may not be made, or None."""
        ...


class Executor(Protocol):
    """Makes calls of one kind of tool."""

    async def call(self, tool: CallableTool, call: InvokeToolRequest) -> ToolAnswer:
        """Call it once, with `call.idempotency_key` where the far side can use one.

        Raises:
            ToolCallFault: it gave no result; the kind says whether it may have had an effect.
        """
        ...
