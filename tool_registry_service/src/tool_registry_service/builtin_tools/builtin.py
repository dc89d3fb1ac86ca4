"""What a builtin tool is, and all of them together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import ValidationError

from kgents_shared.contracts.tools import InvokeToolRequest, SideEffect
from kgents_shared.contracts.worker import ToolDefinition
from tool_registry_service.calls import CallableTool, ToolAnswer
from tool_registry_service.canonical import canonical_hash


@dataclass(frozen=True, slots=True)
class BuiltinDefinition:
    """A builtin tool as models and people see it; `keyed` as in `CallableTool`."""

    name: str
    description: str
    input_schema: dict[str, Any]
    side_effect: SideEffect
    keyed: bool = False

    @property
    def shown(self) -> ToolDefinition:
        """What a model is shown."""
        return ToolDefinition(name=self.name, description=self.description, input_schema=self.input_schema)

    @property
    def definition_hash(self) -> str:
        """SHA-256 over what a model is shown, in canonical JSON."""
        shown = {"name": self.name, "description": self.description, "input_schema": self.input_schema}
        return canonical_hash(shown)


class BuiltinTool(Protocol):
    """A tool that is part of the platform."""

    @property
    def definition(self) -> BuiltinDefinition:
        """What it is called and what it takes."""
        ...

    async def call(self, call: InvokeToolRequest) -> ToolAnswer:
        """Do it; the arguments are valid. Raises `ToolCallFault`."""
        ...


class BuiltinTools:
    """The builtin tools by name; makes their calls."""

    def __init__(self, tools: Iterable[BuiltinTool]) -> None:
        self._tools = {tool.definition.name: tool for tool in tools}
        self.callable: Mapping[str, CallableTool] = {
            name: _callable(tool.definition) for name, tool in sorted(self._tools.items())
        }

    @property
    def definitions(self) -> list[BuiltinDefinition]:
        """All of them by name."""
        return [self._tools[name].definition for name in self.callable]

    def definition(self, name: str) -> BuiltinDefinition | None:
        """The one of a name."""
        found = self._tools.get(name)
        return None if found is None else found.definition

    async def call(self, tool: CallableTool, call: InvokeToolRequest) -> ToolAnswer:
        """Call one; raises `ToolCallFault`."""
        try:
            return await self._tools[tool.name].call(call)
        except ValidationError as error:
            faults = "; ".join(fault["msg"] for fault in error.errors(include_url=False, include_input=False))
            return ToolAnswer(f"The arguments of {tool.name} can't be used: {faults}.", is_error=True)


def _callable(definition: BuiltinDefinition) -> CallableTool:
    return CallableTool(
        name=definition.name, kind="builtin", remote_name=definition.name, state="active",
        definition_hash=definition.definition_hash, side_effect=definition.side_effect,
        input_schema=definition.input_schema, keyed=definition.keyed,
    )  # fmt: skip
