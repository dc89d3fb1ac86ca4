"""Runs of teams (document 000): through all members in their order, to one of them, or as a model asks for them.

A member is asked by a call of a tool, which is stored like any other: a run that goes on elsewhere makes the calls
that it made before in the same order, and takes the results that are there.
"""

import re
from collections.abc import Iterator
from uuid import uuid4

from langchain_core.messages import HumanMessage

from agent_worker.door import RunDoor
from agent_worker.failures import RunFailed
from agent_worker.loop import AgentLoop, Emit
from agent_worker.window import TokenGauge
from kgents_shared.contracts.agent_spec import AgentSpec, TeamSpec
from kgents_shared.contracts.asking import NO_SUCH_CONVERSATION
from kgents_shared.contracts.teams import answer_and_conversation, member_of, tool_of
from kgents_shared.contracts.worker import (
    FinalEvent,
    Message,
    RunRequest,
    ToolCall,
    ToolCallResult,
    WorkerEvent,
)

_TRIES = 2
_MOST_DETAIL_CHARS = 1000
# What stands before the reason is about the tool by which members are asked, which their people know nothing of.
_NO_RESULT = re.compile(r"^ask_agent gave no result\. ")


async def finish_as_team(
    spec: AgentSpec, team: TeamSpec, run: RunRequest, door: RunDoor, emit: Emit, gauge: TokenGauge
) -> FinalEvent:
    """The team's answer; raises `RunFailed`."""
    members = Members(run, door)
    if team.mode == "pipeline":
        text = run.messages[members.question].text
        for member in team.members:
            text = await members.ask(member.agent, text)
        return FinalEvent(text=text)
    if team.mode == "coordinate":
        return await AgentLoop(_prompt(spec, team, _COORDINATE), run, door, emit, gauge).finish()
    chosen = members.first_asked() or await _Choosing(spec, team, run, door, gauge).chosen()
    return FinalEvent(text=await members.ask(chosen, run.messages[members.question].text))


class Members:
    """Asks members; each goes on in the conversation that it had with this one before."""

    def __init__(self, run: RunRequest, door: RunDoor) -> None:
        places = range(len(run.messages) - 1, -1, -1)
        self.question = next(place for place in places if run.messages[place].role == "user")
        self._door = door
        self._begun = list(_calls(run.messages[self.question + 1 :]))
        self._next = 0
        self._conversations: dict[str, str] = {}
        for call, result in _calls(run.messages[: self.question]):
            conversation = None if result is None else answer_and_conversation(result.content)[1]
            if conversation is not None:
                self._conversations[call.name] = conversation

    def first_asked(self) -> str | None:
        """The member that this run asked first, before it was interrupted."""
        return member_of(self._begun[0][0].name) if self._begun else None

    async def ask(self, member: str, message: str) -> str:
        """A member's answer; raises `RunFailed` with what it failed with."""
        conversation = self._conversations.get(tool_of(member))
        result = await self._call(member, message, conversation)
        if conversation is not None and result.is_error and NO_SUCH_CONVERSATION in result.content:
            result = await self._call(member, message, None)  # it was deleted
        if result.is_error:
            why = _NO_RESULT.sub("", result.content)[:_MOST_DETAIL_CHARS]
            detail = f"{member} gave no answer: {why}"
            raise RunFailed("member_failed", detail, status=502)
        return answer_and_conversation(result.content)[0]

    async def _call(self, member: str, message: str, conversation: str | None) -> ToolCallResult:
        if self._next < len(self._begun):
            call, result = self._begun[self._next]
            self._next += 1
            return result if result is not None else await self._door.call_tool(call.id, call.name, call.arguments)
        going_on = {} if conversation is None else {"conversation_id": conversation}
        call = ToolCall(id=f"call_{uuid4().hex}", name=tool_of(member), arguments={"message": message, **going_on})
        await self._door.store_step(Message(role="assistant", text="", tool_calls=(call,)))
        return await self._door.call_tool(call.id, call.name, call.arguments)


class _Choosing(AgentLoop):
    """Has the team's own model choose a member. What it says meanwhile is nobody's answer."""

    def __init__(self, spec: AgentSpec, team: TeamSpec, run: RunRequest, door: RunDoor, gauge: TokenGauge) -> None:
        names = {tool_of(member.agent) for member in team.members}
        shown = run.model_copy(update={"tools": tuple(tool for tool in run.tools if tool.name in names)})
        super().__init__(_prompt(spec, team, _ROUTE), shown, door, _silently, gauge)
        self._names = names

    async def chosen(self) -> str:
        """A member's name; raises `RunFailed` where the model names none."""
        for _ in range(_TRIES):
            text, calls = await self._ask()
            named = [call.name for call in calls if call.name in self._names]
            named = named or [name for name in self._names if text.strip().strip("`\"'.") in (name, member_of(name))]
            if named:
                return member_of(named[0])
            self._transcript.append(HumanMessage(_AGAIN))
        raise RunFailed("no_member_chosen", "The team's model chose none of its members.", status=502)


async def _silently(_: WorkerEvent) -> None:
    return


def _calls(messages: tuple[Message, ...]) -> Iterator[tuple[ToolCall, ToolCallResult | None]]:
    """The calls of members in these messages, with their results."""
    results = {
        message.tool_call_id: ToolCallResult(content=message.text, is_error=message.is_error)
        for message in messages
        if message.role == "tool"
    }
    for message in messages:
        for call in message.tool_calls:
            yield call, results.get(call.id)


def _prompt(spec: AgentSpec, team: TeamSpec, what: str) -> str:
    members = "\n".join(f"- {member.agent}: {member.role or 'no description'}" for member in team.members)
    return f"{spec.system_prompt}\n\n{what}\n{members}"


_COORDINATE = (
    "You lead a team. Ask its members by their tools as you need to, give each all that it has to know, for it sees "
    "nothing of this conversation, and then answer yourself. The members:"
)
_ROUTE = (
    "You lead a team and answer nothing yourself: choose the one member who is to answer the last message, and call "
    "its tool. The message is handed on as it is. The members:"
)
_AGAIN = "Choose exactly one member: call its tool."
