"""Holding what a tool gives back against what it says of its results."""

from tool_registry_service import heavy_imports
from tool_registry_service.calls import CallableTool, ToolAnswer
from tool_registry_service.errors import SchemaTooComplex


async def result_fault(tool: CallableTool, answer: ToolAnswer) -> str | None:
    """Why an answer can't be used, as a sentence for a model, or None. An error is what it says, in any form."""
    if tool.output_schema is None or answer.is_error:
        return None
    if answer.structured is None:
        return f"{tool.name} was called, and gave no structured result, which its output schema promises."
    try:
        faults = await heavy_imports.result_faults(tool.output_schema, answer.structured)
    except SchemaTooComplex as error:
        return f"{tool.name} was called, and its result can't be checked: {error}"
    if not faults:
        return None
    return f"{tool.name} was called, and its result is not what its output schema promises. " + "; ".join(faults)
