"""The questions that a call passes before it is made; each answers with the sentence that the model gets."""

from kgents_shared.contracts.tools import InvokeToolRequest
from tool_registry_service import heavy_imports
from tool_registry_service.calls import CallableTool, Refused
from tool_registry_service.errors import SchemaTooComplex


class PinnedDefinition:
    """Only a tool whose definition is the pinned one is called."""

    async def refusal(self, call: InvokeToolRequest, tool: CallableTool) -> Refused | None:
        """Refused where its definition changed or is gone."""
        if tool.state == "active":
            return None
        if tool.state == "removed":
            return Refused("changed", f"The tool {call.name} is no longer offered by its server.")
        said = f"The tool {call.name} is switched off: its definition has changed, and nobody has accepted that yet."
        return Refused("changed", said)


class ValidArguments:
    """Arguments are held against the pinned schema."""

    async def refusal(self, call: InvokeToolRequest, tool: CallableTool) -> Refused | None:
        """Refused with every fault at once."""
        try:
            faults = await heavy_imports.argument_faults(tool.input_schema, call.arguments)
        except SchemaTooComplex as error:
            return Refused("invalid_schema", f"{call.name} can't be called: {error}")
        if not faults:
            return None
        return Refused("invalid_arguments", f"The arguments of {call.name} are not valid. " + "; ".join(faults))
