"""Capabilities on the wire."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from agent_runtime_service.messages.schemas import MessageAnswer, MessageRequest, MessageWaiting
from kgents_shared.contracts.model import Contract


class CapabilityMessage(MessageRequest):
    """Body of `POST /capabilities/{capability}/message`.

    A conversation stays with the agent that it began with. `to` is the agent (a name, `organisation~name` or an id)
    that is asked where none that has the capability can be.
    """

    to: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None


class CapableAgent(Contract):
    """An agent that has a capability.

    `instances` take runs right now, `active_runs` are those of this front; `latency_ms` is what its latest answers
    took, null where it has given none.
    """

    agent_id: UUID
    agent: str
    healthy: bool
    instances: int
    active_runs: int
    latency_ms: float | None


class CapabilityView(Contract):
    """A capability and the agents of the caller's owners that have it."""

    capability: str
    healthy: int
    agents: list[CapableAgent]


class CapabilityAnswer(MessageAnswer):
    """The answer, and which agent gave it."""

    agent_id: UUID
    agent: str


class CapabilityWaiting(MessageWaiting):
    """The same of an agent that waits for an approval."""

    agent_id: UUID
    agent: str


class DeliveryView(Contract):
    """One message to a capability and what became of it.

    `from_agent_id` is the agent that sent it, null for a person's; `why` says why this one was chosen of `healthy` of
    `known` agents. `status` is its run's (`accepted` until that is stored), or `refused`; `error` is a code.
    `latency_ms` runs from choosing to the run's end. What was refused alike within an hour is one, so many `times`; the
    capability `*` stands for many.
    """

    id: UUID
    capability: str
    from_agent_id: UUID | None
    agent_id: UUID | None
    agent: str | None
    run_id: UUID | None
    why: str
    known: int
    healthy: int
    routing_ms: Annotated[float, Field(ge=0)]
    status: str
    error: str | None
    latency_ms: float | None
    created_at: datetime
    times: int
