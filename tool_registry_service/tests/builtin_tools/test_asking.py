"""How many questions of agents to agents are under way at once."""

import asyncio
from typing import Any
from uuid import uuid4

from kgents_shared.contracts.asking import AskAgent, AskCapability, AskedAnswer
from kgents_shared.contracts.tools import InvokeToolRequest
from tool_registry_service.builtin_tools.asking import MOST_ASKED, AgentAsking
from tool_registry_service.calls import ToolAnswer


class Thinking:
    """Agents that answer when they are let."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.questions: list[AskAgent] = []

    async def ask(self, question: AskAgent) -> AskedAnswer:
        """An answer, in time."""
        self.questions.append(question)
        await self.may_answer.wait()
        return AskedAnswer(run_id=uuid4(), conversation_id=uuid4(), status="completed", text="Tea.", usage={})

    async def ask_capability(self, question: AskCapability) -> AskedAnswer:
        """Nobody asks for one here."""
        raise AssertionError(question.capability)


def question(owner: str, **changes: Any) -> InvokeToolRequest:
    return InvokeToolRequest(
        owner_id=owner, principal="ann", agent_id=uuid4(), tool_call_id="c", idempotency_key=uuid4().hex,
        name="ask_agent", arguments={"agent": "expert", "message": "What?"}, allow=["ask_agent"], deny=[], **changes,
    )  # fmt: skip


async def test_no_owner_and_not_all_together_hold_every_connection() -> None:
    agents = Thinking()
    asking = AgentAsking(agents)
    owners = [f"owner-{number}" for number in range(6)]
    asked = [asyncio.create_task(asking.call(question(owner))) for owner in owners for _ in range(20)]
    await asyncio.sleep(0)
    assert len(agents.questions) == MOST_ASKED
    assert {sum(one.owner_id == owner for one in agents.questions) for owner in owners[:4]} == {16}
    agents.may_answer.set()
    answers: list[ToolAnswer] = await asyncio.gather(*asked)
    assert sum(answer.is_error for answer in answers) == len(asked) - MOST_ASKED
    assert not (await asking.call(question("owner-5"))).is_error
