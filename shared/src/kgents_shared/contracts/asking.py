"""What `ask_agent` and `ask_capability` ask of the runtime: a message from one agent to another of the same owner."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from kgents_shared.contracts.agent_spec import Capability, Text
from kgents_shared.contracts.model import Contract

MOST_HOPS = 8
NO_SUCH_CONVERSATION = "There is no such conversation of yours with this agent."
MOST_QUESTION_CHARS = 32_000


class Question(Contract):
    """What one agent asks. `principal` is the subject of who asked the first agent.

    `hops` are the agents whose runs led here, the asking one last, and `run_id` is the asking one's. The same `key` is
    the same question; `awaited_run` is the run that it began, where the answer is asked for again.
    """

    owner_id: str
    principal: str
    text: Annotated[Text, Field(min_length=1, max_length=MOST_QUESTION_CHARS)]
    conversation_id: UUID | None = None
    key: str
    run_id: UUID | None = None
    awaited_run: UUID | None = None
    hops: Annotated[tuple[UUID, ...], Field(max_length=MOST_HOPS)] = ()


class AskAgent(Question):
    """Body of `POST /internal/agents/ask`: the agent by its name or id."""

    agent: str


class AskCapability(Question):
    """Body of `POST /internal/capabilities/ask`: whichever agent has the capability and is least busy."""

    capability: Capability


class AskedAnswer(Contract):
    """What the other agent, whose name is `agent`, answered; `status` is its run's.

    One that is `waiting_approval` has no answer yet.
    """

    run_id: UUID
    conversation_id: UUID
    status: str
    text: str
    usage: dict[str, Any]
    agent: str = ""
