"""MCP's own words for what is offered: `tools/list` and `tools/call`, progress meanwhile."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar, cast
from uuid import UUID

from mcp import McpError, types
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from starlette.requests import Request

from kgents_shared.errors import ApiError
from tool_registry_service.mcp_server.agents import AgentFault, OfferedAgent, RunEvent
from tool_registry_service.mcp_server.callers import CALLER, Caller
from tool_registry_service.mcp_server.offers import ASK, READS_AGENTS, READS_RUNS, RUN, OfferedTool, Offers
from tool_registry_service.progress import Steps, listening

_NAME, _VERSION = "kgents", "0.1.0"
_PAGE = 200
_STILL_S = 5.0
_AT_MOST_EVERY_S = 0.2
_INSTRUCTIONS = (
    "The agents and tools of whoever's token this is. A tool named ask_… sends a message to an agent and gives its "
    "answer; go on in the same conversation with the conversation_id of the answer. Any other is a tool that is called "
    "as it is. A call with an effect outside waits until a person has approved it: nothing happens before."
)
_TEXT: dict[str, Any] = {"type": "string", "minLength": 1, "description": "What to say to the agent."}
_CONVERSATION: dict[str, Any] = {
    "type": "string",
    "format": "uuid",
    "description": "The conversation to go on with, from an answer before; leave it out to begin a new one.",
}
_ASK_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"text": _TEXT, "conversation_id": _CONVERSATION},
    "required": ["text"],
    "additionalProperties": False,
}
_RUN_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"run_id": {"type": "string", "format": "uuid", "description": "From the answer of an ask_… tool."}},
    "required": ["run_id"],
    "additionalProperties": False,
}
T = TypeVar("T")
_Server = Server[object, Request]


def make_server(offers: Offers) -> _Server:
    """The MCP server; each request is its own caller's."""
    server: _Server = Server(_NAME, version=_VERSION, instructions=_INSTRUCTIONS)
    handlers = _Handlers(server, offers)
    server.request_handlers[types.ListToolsRequest] = handlers.list_tools
    server.request_handlers[types.CallToolRequest] = handlers.call_tool
    return server


def options_of(server: _Server) -> InitializationOptions:
    """What clients are told at the beginning: lists change, and they hear of it."""
    return server.create_initialization_options(NotificationOptions(tools_changed=True))


class _Handlers:
    def __init__(self, server: _Server, offers: Offers) -> None:
        self._server = server
        self._offers = offers

    async def list_tools(self, request: types.ListToolsRequest) -> types.ServerResult:
        caller = self._caller()
        tools, found = await self._offers.both(caller)
        agents = found or {}
        listed = [_agent_as_tool(wire, agent) for wire, agent in agents.items()]
        if caller.may(*READS_AGENTS, *READS_RUNS):
            listed.append(_RUN_TOOL)
        listed += [_tool(wire, tool) for wire, tool in tools.items() if wire not in agents and wire != RUN]
        listed.sort(key=lambda tool: tool.name)
        after = request.params.cursor if request.params else None
        left = [tool for tool in listed if after is None or tool.name > after]
        more = left[_PAGE - 1].name if len(left) > _PAGE else None
        return types.ServerResult(types.ListToolsResult(tools=left[:_PAGE], nextCursor=more))

    async def call_tool(self, request: types.CallToolRequest) -> types.ServerResult:
        caller, name, arguments = self._caller(), request.params.name, request.params.arguments or {}
        try:
            result = await self._called(caller, name, arguments)
        except (ApiError, AgentFault) as error:
            result = _said(error.detail if isinstance(error, ApiError) else str(error), is_error=True)
        return types.ServerResult(result)

    async def _called(self, caller: Caller, name: str, arguments: dict[str, Any]) -> types.CallToolResult:
        if name.startswith(ASK) and (agent := (await self._offers.agents(caller)).get(name)) is not None:
            return await self._ask(caller, agent, arguments)
        if name == RUN and caller.may(*READS_AGENTS, *READS_RUNS):
            return await self._run(caller, arguments)
        tool = await self._offers.tool(caller, name)
        if tool is None:
            raise McpError(types.ErrorData(code=types.INVALID_PARAMS, message=f"There is no tool named {name}."))
        return await self._call(caller, tool, arguments)

    async def _call(self, caller: Caller, tool: OfferedTool, arguments: dict[str, Any]) -> types.CallToolResult:
        done = await self._told(self._offers.call(caller, tool, arguments), tool.reference)
        waiting = done.answer.waiting
        if waiting is None:
            return _said(done.answer.content, is_error=done.answer.is_error)
        return _said(
            f"Nothing was done yet: {tool.reference} has an effect outside, and waits for approval "
            f"{waiting.approval_id} until {waiting.expires_at:%Y-%m-%d %H:%M} UTC. A person decides on it, for example "
            f"with: kgents approvals approve {waiting.approval_id}. Call the same tool with the same arguments "
            "again after that.",
            is_error=True,
        )

    async def _run(self, caller: Caller, arguments: dict[str, Any]) -> types.CallToolResult:
        try:
            run_id = UUID(str(arguments.get("run_id")))
        except ValueError:
            return _said("run_id must be the id of a run, from the answer of an ask_… tool.", is_error=True)
        run = await self._offers.run(caller, str(run_id))
        return _ended(run)

    async def _ask(self, caller: Caller, agent: OfferedAgent, arguments: dict[str, Any]) -> types.CallToolResult:
        steps = 0
        async for event in self._offers.talk(caller, agent, arguments):
            if event.name in ("completed", "failed", "waiting_approval"):
                return _ended({"status": event.name, **event.data} if event.name != "failed" else _failure(event))
            if event.name in ("run", "step", "silence"):
                steps += 1
                await self._progress(steps, _told_of(agent, event))
        raise AgentFault(f"The answer of {agent.name} broke off; the run may go on.")

    async def _told(self, call: Awaitable[T], what: str) -> T:
        """The result; until it is there, what the tool says of its progress, or a sign of life now and then.

        The call itself isn't cut off.
        """
        steps, beats = Steps(), 0
        with listening(steps):
            task = asyncio.ensure_future(call)
        while not task.done():
            news = asyncio.ensure_future(steps.next())
            try:
                await asyncio.wait({task, news}, timeout=_STILL_S, return_when="FIRST_COMPLETED")
            finally:
                news.cancel()
            if not task.done():
                beats += 1
                said = f" ({steps.text})" if steps.text else ""
                await self._progress(beats, f"{what} is still at work{said}")
                await asyncio.wait({task}, timeout=_AT_MOST_EVERY_S)
        return task.result()

    async def _progress(self, count: int, text: str) -> None:
        context = self._server.request_context
        token = None if context.meta is None else context.meta.progressToken
        if token is not None:
            request_id = str(context.request_id)
            await context.session.send_progress_notification(token, count, None, text, related_request_id=request_id)

    def _caller(self) -> Caller:
        request = self._server.request_context.request
        if request is None:
            raise RuntimeError("a request came by no HTTP")
        return cast("Caller", request.scope[CALLER])


_RUN_TOOL = types.Tool(
    name=RUN,
    title="How a run is doing",
    description="The state of an agent's run that was begun before, and its answer once there is one.",
    inputSchema=_RUN_SCHEMA,
    annotations=types.ToolAnnotations(readOnlyHint=True),
)


def _agent_as_tool(wire: str, agent: OfferedAgent) -> types.Tool:
    about = f" {agent.description}" if agent.description else ""
    return types.Tool(
        name=wire,
        title=f"Agent {agent.name}",
        description=f"Sends a message to the agent {agent.name} and gives its answer.{about}",
        inputSchema=_ASK_SCHEMA,
        annotations=types.ToolAnnotations(openWorldHint=True),
    )


def _tool(wire: str, tool: OfferedTool) -> types.Tool:
    reads_only = tool.side_effect in ("none", "read")
    hints = types.ToolAnnotations(readOnlyHint=reads_only, destructiveHint=None if reads_only else True)
    return types.Tool(
        name=wire, title=tool.reference, description=tool.description, inputSchema=tool.input_schema, annotations=hints
    )


def _said(text: str, *, is_error: bool = False, structured: dict[str, Any] | None = None) -> types.CallToolResult:
    content: list[types.ContentBlock] = [types.TextContent(type="text", text=text)]
    return types.CallToolResult(content=content, isError=is_error, structuredContent=structured)


def _ended(run: dict[str, Any]) -> types.CallToolResult:
    """A run's answer, or what it is at."""
    status = str(run["status"])
    shown = {key: run[key] for key in ("run_id", "conversation_id", "status", "text", "approvals") if run.get(key)}
    if status == "completed":
        return _said(str(run["text"]), structured=shown)
    if status == "waiting_approval":
        asked = ", ".join(f"{one['tool']} (approval {one['approval_id']})" for one in run.get("approvals") or ())
        text = (
            f"The agent waits until a person has decided on {asked or 'what it asked for'}, for example with: kgents "
            f"approvals approve ID. Its answer is there after that: call {RUN} with run_id {run['run_id']}."
        )
        return _said(text, structured=shown)
    if status in ("failed", "cancelled"):
        fault = run.get("error") or {}
        return _said(str(fault.get("detail") or f"The run is {status}."), is_error=True, structured=shown)
    return _said(f"The run is {status}; ask again later.", structured=shown)


def _failure(event: RunEvent) -> dict[str, Any]:
    return {**event.data, "status": "failed", "error": {"detail": event.data.get("detail")}}


def _told_of(agent: OfferedAgent, event: RunEvent) -> str:
    calls = [str(call.get("name")) for call in event.data.get("tool_calls") or ()]
    return f"{agent.name} calls {', '.join(calls)}" if calls else f"{agent.name} is at work"
