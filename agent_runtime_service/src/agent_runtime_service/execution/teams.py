"""What a team's run may do beside what any agent's may: ask its members, by the registry's `ask_agent`."""

from collections.abc import Iterable
from typing import Any

from kgents_shared.contracts.agent_spec import AgentSpec, ToolsSpec
from kgents_shared.contracts.teams import ASK_AGENT, is_member_tool, member_of, member_tools
from kgents_shared.contracts.worker import ToolCall, ToolDefinition


def tools_with_members(spec: AgentSpec, tools: Iterable[ToolDefinition]) -> tuple[ToolDefinition, ...]:
    """The members before the agent's own tools."""
    if spec.team is None:
        return tuple(tools)
    members = member_tools(spec.team)
    names = {tool.name for tool in members}
    return (*members, *(tool for tool in tools if tool.name not in names))


def patterns_with_members(spec: AgentSpec) -> ToolsSpec:
    """What the run's calls are allowed by: a team may ask, unless it is denied that."""
    if spec.team is None or ASK_AGENT in spec.tools.allow:
        return spec.tools
    return spec.tools.model_copy(update={"allow": [*spec.tools.allow, ASK_AGENT]})


def most_steps(spec: AgentSpec) -> int:
    """A pipeline takes a step for each member, and another where a conversation has to be begun anew."""
    if spec.team is None:
        return spec.limits.max_steps
    return max(spec.limits.max_steps, 2 * len(spec.team.members))


def as_question(call: ToolCall) -> tuple[str, dict[str, Any]]:
    """A team's call as the registry knows it, the tool and its arguments: its members are asked by `ask_agent`."""
    if not is_member_tool(call.name):
        return call.name, call.arguments
    return ASK_AGENT, {**call.arguments, "agent": member_of(call.name)}
