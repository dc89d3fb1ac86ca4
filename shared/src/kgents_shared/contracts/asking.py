"""What the tool `ask_agent` asks of the runtime: a message from one agent to another of the same owner."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from kgents_shared.contracts.agent_spec import Text
from kgents_shared.contracts.model import Contract

MOST_HOPS = 8
MOST_QUESTION_CHARS = 32_000


class AskAgent(Contract):
    """Body of `POST /internal/agents/ask`. `principal` is the subject of who asked the first agent.

    `hops` are the agents whose runs led here, the asking one last. The same `key` is the same question.
    """

    owner_id: str
    principal: str
    agent: str
    text: Annotated[Text, Field(min_length=1, max_length=MOST_QUESTION_CHARS)]
    conversation_id: UUID | None = None
    key: str
    hops: Annotated[tuple[UUID, ...], Field(max_length=MOST_HOPS)] = ()


class AskedAnswer(Contract):
    """What the other agent answered; `status` is its run's. One that is `waiting_approval` has no answer yet."""

    run_id: UUID
    conversation_id: UUID
    status: str
    text: str
    usage: dict[str, Any]
