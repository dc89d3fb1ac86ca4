"""The registry's tools for a flow: what the component Kgents Tools hands to an agent of Langflow."""

from fnmatch import fnmatchcase
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool

from agent_worker.tool_names import ToolNames
from kgents_shared.contracts.worker import ToolDefinition
from lfx_worker.run_scope import CURRENT_RUN
from lfx_worker.transcript import RunTools


def tools_of_this_run(patterns: str) -> list[BaseTool]:
    """The tools that the agent's definition allows, of those only what a pattern names (`server.*, other.tool`).

    No pattern is every one of them.
    """
    wanted = [pattern.strip() for pattern in patterns.split(",") if pattern.strip()] or ["*"]
    tools = CURRENT_RUN.get().tools
    chosen = [item for item in tools.definitions if any(fnmatchcase(item.name, pattern) for pattern in wanted)]
    names = ToolNames(item.name for item in chosen)
    return [_tool(item, names.to_wire(item.name), tools) for item in chosen]


def _tool(definition: ToolDefinition, name: str, tools: RunTools) -> BaseTool:
    async def call(**arguments: Any) -> str:
        return (await tools.call(definition.name, arguments)).content

    return StructuredTool(
        name=name, description=definition.description, args_schema=definition.input_schema, coroutine=call
    )
