"""`ask_agent`: one agent's question to another of the same owner."""

from collections import Counter
from typing import Final

from kgents_shared.contracts.asking import MOST_QUESTION_CHARS, AskAgent
from kgents_shared.contracts.tools import InvokeToolRequest
from tool_registry_service.builtin_tools.builtin import BuiltinDefinition
from tool_registry_service.builtin_tools.runtime import OtherAgents
from tool_registry_service.calls import ToolAnswer

# Under way in this process, of all and of one owner: each holds a connection for as long as an answer takes.
MOST_ASKED: Final = 64
_MOST_OF_OWNER: Final = 16
_NO_AGENT = "This tool is for agents' runs alone: send the agent a message yourself."


class AgentAsking:
    """Sends a message to another agent and gives its answer."""

    definition = BuiltinDefinition(
        name="ask_agent",
        description=(
            "Ask another agent and wait for its answer. It begins a conversation, whose id stands at the end of the "
            "answer; give it back to go on in that one."
        ),
        input_schema={
            "type": "object",
            "properties": {
                "agent": {"type": "string", "minLength": 1, "maxLength": 80, "description": "The agent's name."},
                "message": {"type": "string", "minLength": 1, "maxLength": MOST_QUESTION_CHARS},
                "conversation_id": {"type": "string", "pattern": "^[0-9a-fA-F-]{36}$"},
            },
            "required": ["agent", "message"],
            "additionalProperties": False,
        },
        # What the other agent does passes the same gates, its own approvals among them.
        side_effect="write",
    )

    def __init__(self, agents: OtherAgents) -> None:
        self._agents = agents
        self._under_way: Counter[str] = Counter()

    async def call(self, call: InvokeToolRequest) -> ToolAnswer:
        """Ask it, once a call; raises `ToolCallFault`.

        In an agent's run alone: whoever wants an answer of an agent themselves sends it a message, for which they need
        the right to.
        """
        if call.agent_id is None:
            return ToolAnswer(_NO_AGENT, is_error=True)
        owner = call.owner_id
        if self._under_way[owner] >= _MOST_OF_OWNER or self._under_way.total() >= MOST_ASKED:
            return ToolAnswer("As many agents are being asked as may be at once; try again later.", is_error=True)
        self._under_way[owner] += 1
        try:
            return await self._answer(call)
        finally:
            self._under_way[owner] -= 1
            if not self._under_way[owner]:
                del self._under_way[owner]

    async def _answer(self, call: InvokeToolRequest) -> ToolAnswer:
        question = AskAgent(
            owner_id=call.owner_id, principal=call.principal, agent=call.arguments["agent"],
            text=call.arguments["message"], conversation_id=call.arguments.get("conversation_id"),
            key=call.idempotency_key, hops=call.hops,
        )  # fmt: skip
        answer = await self._agents.ask(question)
        if answer.status == "waiting_approval":
            text = f"{question.agent} waits for a person's approval; its answer is not there yet (run {answer.run_id})."
            return ToolAnswer(text, is_error=True)
        return ToolAnswer(f"{answer.text}\n[conversation_id: {answer.conversation_id}]")
