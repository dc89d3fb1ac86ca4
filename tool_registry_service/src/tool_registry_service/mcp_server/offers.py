"""What a caller is offered over MCP: their published agents, and the tools that they may call."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from kgents_shared.auth import organisation_of
from kgents_shared.contracts.tools import SideEffect
from kgents_shared.errors import ApiError
from tool_registry_service.builtin_tools.builtin import BuiltinDefinition
from tool_registry_service.direct_calls.service import Answered, Asked, DirectCallService
from tool_registry_service.errors import ToolNotFound
from tool_registry_service.mcp_server.agents import Agents, OfferedAgent, RunEvent
from tool_registry_service.mcp_server.callers import Caller
from tool_registry_service.mcp_server.names import wire_names
from tool_registry_service.tools.models import Tool

_log = structlog.get_logger("kgents.tools.mcp_server")
ASK = "ask_"
_MOST_KNOWN = 4096
RUN = "run_status"
READS_AGENTS = ("agents:read", "agents:invoke")
READS_TOOLS = ("tools:read", "tools:invoke")
READS_RUNS = ("runs:read",)


# What belongs to an agent or to its conversation; asking an agent is a tool for each agent here.
_OF_AGENTS = frozenset({"memory", "files", "ask_agent", "ask_capability"})


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """A tool. `reference` is what people call it: `<server>.<tool>`, with `organisation~` where it isn't theirs.

    `owner_id` is in whose name it is called.
    """

    owner_id: str
    name: str
    reference: str
    description: str
    input_schema: dict[str, Any]
    side_effect: SideEffect
    mark: str


class CallableTools(Protocol):
    """Which tools there are, but for those that a rule denies."""

    async def callable_tools(self, owner_ids: Collection[str]) -> Sequence[Tool]:
        """The tools of these owners that they may call themselves."""
        ...

    async def callable_builtin(self, owner_id: str) -> Sequence[BuiltinDefinition]:
        """The builtin tools that this owner may call."""
        ...


class Offers:
    """What there is for a caller, and how it is called."""

    def __init__(self, tools: CallableTools, calls: DirectCallService, agents: Agents) -> None:
        self._tools = tools
        self._calls = calls
        self._agents = agents
        self._known: OrderedDict[tuple[str, str], OfferedTool] = OrderedDict()

    async def tools(self, caller: Caller) -> dict[str, OfferedTool]:
        """The tools that the caller may call, by their names on the wire."""
        if not caller.may(*READS_TOOLS):
            return {}
        rows = await self._tools.callable_tools(caller.principal.owner_ids)
        found = {tool.reference: tool for tool in (_offered(caller, row) for row in rows)}
        for builtin in await self._tools.callable_builtin(caller.principal.owner_id):
            if builtin.name.partition(".")[0] not in _OF_AGENTS:
                found[builtin.name] = _builtin(caller, builtin)
        return {wire: found[reference] for wire, reference in wire_names(found).items()}

    async def tool(self, caller: Caller, wire: str) -> OfferedTool | None:
        """The tool of this name on the wire. What a name stands for is remembered; whether it may be called is asked
        at each call.
        """
        key, principal = (caller.principal.subject, wire), caller.principal
        known = self._known.get(key)
        if known is None or known.owner_id not in principal.owner_ids or not caller.may(*READS_TOOLS):
            known = (await self.tools(caller)).get(wire)
            if known is None:
                return None
            self._known[key] = known
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        return known

    async def agents(self, caller: Caller) -> dict[str, OfferedAgent]:
        """The caller's published agents, by their names on the wire. Raises `ApiError`."""
        if not caller.may(*READS_AGENTS):
            return {}
        found = {ASK + agent.name: agent for agent in await self._agents.published(caller)}
        return {wire: found[name] for wire, name in wire_names(found).items()}

    async def both(self, caller: Caller) -> tuple[dict[str, OfferedTool], dict[str, OfferedAgent] | None]:
        """Tools, and agents where they can be asked for."""

        async def agents_or_none() -> dict[str, OfferedAgent] | None:
            try:
                return await self.agents(caller)
            except ApiError as error:
                _log.info("agents_not_offered", error=error.detail)
                return None

        tools, agents = await asyncio.gather(self.tools(caller), agents_or_none())
        return tools, agents

    async def mark(self, caller: Caller) -> str:
        """What changes when what is offered changes, or when the caller's agents can't be asked for."""
        tools, agents = await self.both(caller)
        texts = [f"{wire}\n{tool.mark}" for wire, tool in tools.items()]
        texts += (
            ["away"] if agents is None else [f"{wire}\n{one.id}\n{one.description}" for wire, one in agents.items()]
        )
        return hashlib.sha256("\n\n".join(sorted(texts)).encode("utf-8", "replace")).hexdigest()

    async def call(self, caller: Caller, tool: OfferedTool, arguments: dict[str, Any]) -> Answered:
        """Call a tool. One that waited for its approval goes on when exactly the same is called again."""
        try:
            return await self._calls.call(Asked(tool.owner_id, caller.principal.subject, tool.name, arguments))
        except ToolNotFound:
            self._known = OrderedDict((key, one) for key, one in self._known.items() if one is not tool)
            raise

    def talk(self, caller: Caller, agent: OfferedAgent, body: Mapping[str, Any]) -> AsyncGenerator[RunEvent]:
        """Send an agent a message and give the run's events. Raises `AgentFault`."""
        return self._agents.talk(caller, agent.id, body)

    async def run(self, caller: Caller, run_id: str) -> dict[str, Any]:
        """One run as it is now. Raises `ApiError`."""
        return await self._agents.run(caller, run_id)


def _offered(caller: Caller, tool: Tool) -> OfferedTool:
    organisation = organisation_of(caller.principal, tool.owner_id)
    reference = tool.name if organisation is None else f"{organisation}~{tool.name}"
    return OfferedTool(
        owner_id=tool.owner_id, name=tool.name, reference=reference, description=tool.description,
        input_schema=tool.input_schema, side_effect=tool.side_effect,
        mark=f"{tool.definition_hash} {tool.side_effect}",
    )  # fmt: skip


def _builtin(caller: Caller, tool: BuiltinDefinition) -> OfferedTool:
    return OfferedTool(
        owner_id=caller.principal.owner_id, name=tool.name, reference=tool.name, description=tool.description,
        input_schema=tool.input_schema, side_effect=tool.side_effect, mark=tool.definition_hash,
    )  # fmt: skip
