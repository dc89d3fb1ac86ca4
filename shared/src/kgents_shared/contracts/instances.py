"""How a running instance is made known to the runtime (DESIGN §6)."""

from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import Field

from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.model import Contract

STABLE: Final = "stable"
CANARY: Final = "canary"


class InstanceRegistration(Contract):
    """Body of `PUT /internal/instances/{instance_id}`.

    `endpoint_url` is `unix:/abs/worker.sock` or `http://host:port`. `token_hash` is the hex SHA-256 of the
    instance's token: the worker shows the token at the door, the front shows the hash to the worker. `lane` says whom
    the instance is there for: `stable` for who asks for no version, `canary`, or the number of a version that was asked
    for. `share` is the percentage of new conversations that begin in a canary's lane.
    """

    agent_id: UUID
    agent_name: str
    owner_id: str
    version: int
    generation: int
    spec: AgentSpec
    endpoint_url: str
    token_hash: str
    state: Literal["ready", "draining"] = "ready"
    lane: str = STABLE
    share: int = 0


class AgentsAsked(Contract):
    """Body of `POST /internal/agents/activity`."""

    agent_ids: Annotated[list[UUID], Field(max_length=1000)]


class AgentsActivity(Contract):
    """When the newest run of each agent began; without those that had none."""

    last_run_at: dict[UUID, datetime]


class RegisteredInstance(InstanceRegistration):
    """One row of `GET /internal/instances`."""

    instance_id: UUID
