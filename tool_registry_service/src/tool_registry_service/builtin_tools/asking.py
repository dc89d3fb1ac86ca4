"""`ask_agent` and `ask_capability`: one agent's question to another of the same owner."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

from pydantic import ValidationError

from kgents_shared.contracts.asking import MOST_QUESTION_CHARS, AskAgent, AskCapability, AskedAnswer
from kgents_shared.contracts.tools import InvokeToolRequest
from tool_registry_service.builtin_tools.builtin import BuiltinDefinition
from tool_registry_service.builtin_tools.runtime import OtherAgents
from tool_registry_service.calls import ToolAnswer

# Under way in this process, of all and of one owner: each holds a connection for as long as an answer takes.
MOST_ASKED: Final = 64
_MOST_OF_OWNER: Final = 16
_NO_AGENT = "This tool is for agents' runs alone: send the agent a message yourself."


def _question_to(whom: str, most_chars: int, description: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            whom: {"type": "string", "minLength": 1, "maxLength": most_chars, "description": description},
            "message": {"type": "string", "minLength": 1, "maxLength": MOST_QUESTION_CHARS},
            "conversation_id": {"type": "string", "pattern": "^[0-9a-fA-F-]{36}$"},
        },
        "required": [whom, "message"],
        "additionalProperties": False,
    }


class QuestionsUnderWay:
    """Counts them, so that nobody's take every connection; the tools that ask share one."""

    def __init__(self) -> None:
        self._of: Counter[str] = Counter()

    async def one_more(
        self, call: InvokeToolRequest, ask: Callable[[InvokeToolRequest], Awaitable[ToolAnswer]]
    ) -> ToolAnswer:
        """Have it asked, if there is a place for it.

        In an agent's run alone: whoever wants an answer of an agent themselves sends it a message, for which they need
        the right to.
        """
        if call.agent_id is None:
            return ToolAnswer(_NO_AGENT, is_error=True)
        owner = call.owner_id
        if self._of[owner] >= _MOST_OF_OWNER or self._of.total() >= MOST_ASKED:
            return ToolAnswer("As many agents are being asked as may be at once; try again later.", is_error=True)
        self._of[owner] += 1
        try:
            return await ask(call)
        finally:
            self._of[owner] -= 1
            if not self._of[owner]:
                del self._of[owner]


class _Asking:
    """A question to another agent, counted among those that are under way."""

    definition: BuiltinDefinition

    def __init__(self, agents: OtherAgents, under_way: QuestionsUnderWay | None = None) -> None:
        self._agents = agents
        self._under_way = under_way or QuestionsUnderWay()

    async def call(self, call: InvokeToolRequest) -> ToolAnswer:
        """Ask, once a call; raises `ToolCallFault`."""
        return await self._under_way.one_more(call, self._answer)

    async def _answer(self, call: InvokeToolRequest) -> ToolAnswer:
        raise NotImplementedError


class AgentAsking(_Asking):
    """Sends a message to another agent and gives its answer."""

    definition = BuiltinDefinition(
        name="ask_agent",
        description=(
            "Ask another agent and wait for its answer. It begins a conversation, whose id stands at the end of the "
            "answer; give it back to go on in that one."
        ),
        input_schema=_question_to("agent", 80, "The agent's name."),
        # What the other agent does passes the same gates, its own approvals among them.
        side_effect="write",
        keyed=True,
    )

    async def _answer(self, call: InvokeToolRequest) -> ToolAnswer:
        question = AskAgent(
            owner_id=call.owner_id, principal=call.principal, agent=call.arguments["agent"],
            text=call.arguments["message"], conversation_id=call.arguments.get("conversation_id"),
            key=call.idempotency_key, run_id=call.run_id, hops=call.hops, awaited_run=call.awaited_run,
        )  # fmt: skip
        return _told(question.agent, await self._agents.ask(question))


class CapabilityAsking(_Asking):
    """Sends a message to whichever agent has a capability and gives its answer."""

    definition = BuiltinDefinition(
        name="ask_capability",
        description=(
            "Ask an agent that has a capability, whichever is least busy, and wait for its answer. It begins a "
            "conversation, whose id stands at the end of the answer; give it back to go on with the same agent."
        ),
        input_schema=_question_to("capability", 64, "What it must do."),
        side_effect="write",
        keyed=True,
    )

    async def _answer(self, call: InvokeToolRequest) -> ToolAnswer:
        capability = call.arguments["capability"]
        try:
            question = AskCapability(
                owner_id=call.owner_id, principal=call.principal, capability=capability,
                text=call.arguments["message"], conversation_id=call.arguments.get("conversation_id"),
                key=call.idempotency_key, run_id=call.run_id, hops=call.hops, awaited_run=call.awaited_run,
            )  # fmt: skip
        except ValidationError:
            return ToolAnswer("Nobody has a capability of such a name.", is_error=True)
        answer = await self._agents.ask_capability(question)
        return _told(answer.agent, answer)


def _told(agent: str, answer: AskedAnswer) -> ToolAnswer:
    if answer.status == "waiting_approval":
        text = f"{agent} waits for a person's approval; its answer is not there yet (run {answer.run_id})."
        return ToolAnswer(text, awaited_run=answer.run_id)
    return ToolAnswer(f"{answer.text}\n[conversation_id: {answer.conversation_id}]")
