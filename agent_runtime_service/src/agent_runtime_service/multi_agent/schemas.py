"""Contexts on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from agent_runtime_service.messages.schemas import MessageText
from kgents_shared.contracts.agent_spec import Text
from kgents_shared.contracts.json_values import JsonObject
from kgents_shared.contracts.model import Contract

MOST_PARTICIPANTS = 16
MOST_ROUNDS = 5
CollaborationModel = Literal["parallel", "sequential"]
Visibility = Literal["shared", "addressed"]
ContextStatus = Literal["active", "closed"]
Name = Annotated[Text, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
AgentReference = Annotated[str, StringConstraints(min_length=1, max_length=128)]


def _each_once(agents: list[str]) -> list[str]:
    if len(set(agents)) != len(agents):
        raise PydanticCustomError("doubled_participant", "must not name an agent twice")
    return agents


class NewParticipant(Contract):
    """An agent that is to take part: a name, `organisation~name`, or an id.

    One whose `visibility` is `addressed` sees only what is said to it; one that is `shared`, all that isn't private.
    """

    agent: AgentReference
    role: Annotated[Text, StringConstraints(max_length=500)] = ""
    visibility: Visibility = "shared"


class NewContext(Contract):
    """Body of `POST /multi_agent/context`."""

    name: Name
    agents: Annotated[list[NewParticipant], Field(max_length=MOST_PARTICIPANTS)] = Field(
        default_factory=list[NewParticipant]
    )
    collaboration_model: CollaborationModel = "parallel"
    metadata: JsonObject = Field(default_factory=dict[str, Any])


class ContextChanges(Contract):
    """Body of `PUT /multi_agent/context/{id}`: what it names is changed. A `closed` context takes no messages."""

    name: Name | None = None
    collaboration_model: CollaborationModel | None = None
    status: ContextStatus | None = None
    metadata: JsonObject | None = None


class ParticipantView(Contract):
    """An agent that takes part, or did until `left_at`. It sees what was said after the message `joined_seq`."""

    agent_id: UUID
    agent: str
    role: str
    visibility: Visibility
    healthy: bool
    conversation_id: UUID | None
    joined_seq: int
    joined_at: datetime
    left_at: datetime | None


class ContextView(Contract):
    """A context; `owner_id` is whose it is, `messages` how many there are."""

    id: UUID
    owner_id: str
    name: str
    collaboration_model: CollaborationModel
    status: ContextStatus
    metadata: dict[str, Any]
    messages: int
    agents: list[ParticipantView]
    created_at: datetime
    last_activity: datetime


class ContextMessage(Contract):
    """Body of `POST /multi_agent/message`.

    `to` names those who are to answer, all without it; `private` hides it, and the answers, from everybody else. Over
    several `rounds` they answer what the others have said. Without `wait` the answer is a 202 at once.
    """

    context_id: UUID
    text: MessageText
    to: (
        Annotated[list[AgentReference], Field(min_length=1, max_length=MOST_PARTICIPANTS), AfterValidator(_each_once)]
        | None
    ) = None
    private: bool = False
    rounds: Annotated[int, Field(ge=1, le=MOST_ROUNDS, strict=True)] = 1
    wait: bool = True


class TurnView(Contract):
    """One agent's answer to a message; `seq` is its place in the history.

    `status`: `answered`, `failed` (then `error` has code and detail), `waiting` for an approval, `silent` where there
    was nothing new for it to see, `running`.
    """

    agent_id: UUID
    agent: str
    round: int
    status: str
    seq: int | None
    text: str | None
    run_id: UUID | None
    error: dict[str, Any] | None


class ExchangeView(Contract):
    """A message and what was answered to it; `status` is `running` until the last one has answered."""

    exchange_id: UUID
    context_id: UUID
    seq: int
    status: Literal["running", "ended"]
    answers: list[TurnView]


class HistoryMessage(Contract):
    """One message. `to` and `visible_to` are agents' ids; null is everybody.

    `governance`: for whom it was said (`principal`), and of an agent's the run, its version, usage and tools.
    """

    seq: int
    kind: Literal["person", "agent"]
    from_id: str
    from_name: str
    to: list[UUID] | None
    visible_to: list[UUID] | None
    text: str
    run_id: UUID | None
    exchange_id: UUID
    governance: dict[str, Any]
    sent_at: datetime


class AgentMetrics(Contract):
    """What one agent did; times from its turn's beginning to its end, milliseconds."""

    agent_id: UUID
    agent: str
    turns: int
    answered: int
    failed: int
    prompt_tokens: int
    completion_tokens: int
    cost: str | None
    mean_ms: float | None
    p95_ms: float | None


class ContextMetrics(Contract):
    """What a context took, from its rows. `cost` is null where no run told one."""

    context_id: UUID
    messages: int
    by_people: int
    by_agents: int
    exchanges: int
    prompt_tokens: int
    completion_tokens: int
    cost: str | None
    agents: list[AgentMetrics]


class NewState(Contract):
    """Body of `POST /multi_agent/context/{id}/persist`: what is to be kept with the context, in place of what was.

    With `version` it is kept only if that is the version of what is there.
    """

    data: JsonObject
    version: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None


class StateView(Contract):
    """What is kept with a context; `version` grows with each change."""

    context_id: UUID
    data: dict[str, Any]
    version: int
    updated_at: datetime | None
