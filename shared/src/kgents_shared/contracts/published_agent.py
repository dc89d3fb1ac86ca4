"""What management announces and deployment makes true."""

from enum import StrEnum
from uuid import UUID

from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.model import Contract


class DesiredState(StrEnum):
    """What the owner wants of an agent."""

    RUNNING = "running"
    STOPPED = "stopped"
    DELETED = "deleted"


class CanaryVersion(Contract):
    """The version that has the label `canary`. `share` is the percentage of new conversations that begin with it."""

    version: int
    share: int
    spec: AgentSpec


class PublishedAgent(Contract):
    """One agent's desired state. `generation` grows with every change of it; an older one is ignored.

    `version` is the one that answers who asks for none: the one labelled `stable`, else the one in force. `canary`
    runs beside it.

    Carried by `agent.published`, `agent.stopped` and `agent.deleted`, and listed by
    `GET /internal/agents/desired`. `spec` and `version` are absent only for an agent that was never published.
    """

    agent_id: UUID
    owner_id: str
    name: str
    version: int | None
    generation: int
    desired: DesiredState
    spec: AgentSpec | None
    canary: CanaryVersion | None = None
