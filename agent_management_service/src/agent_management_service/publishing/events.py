"""The events of this service, each on the transaction of the change that it tells of."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from agent_management_service.agents.models import AgentRow, AgentStatus
from agent_management_service.metadata import OUTBOX, SCHEMA
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.published_agent import CanaryVersion, DesiredState, PublishedAgent
from kgents_shared.events import add_to_outbox, make_event

EVENT_TYPES = {
    DesiredState.RUNNING: "agent.published",
    DesiredState.STOPPED: "agent.stopped",
    DesiredState.DELETED: "agent.deleted",
}


def published_agent(
    row: AgentRow, spec: dict[str, Any] | None, canary_spec: dict[str, Any] | None = None
) -> PublishedAgent:
    """The desired state that a row stands for; `spec` is that of the version that answers."""
    if row.deleted_at is not None:
        desired = DesiredState.DELETED
    elif row.status == AgentStatus.PUBLISHED:
        desired = DesiredState.RUNNING
    else:
        desired = DesiredState.STOPPED
    return PublishedAgent(
        agent_id=row.id,
        owner_id=row.owner_id,
        name=row.name,
        version=row.answering,
        generation=row.generation,
        desired=desired,
        spec=None if spec is None else AgentSpec.model_validate(spec),
        canary=_canary(row, canary_spec),
    )


def _canary(row: AgentRow, spec: dict[str, Any] | None) -> CanaryVersion | None:
    if row.canary_version is None or spec is None:
        return None
    return CanaryVersion(version=row.canary_version, share=row.canary_share, spec=AgentSpec.model_validate(spec))


@dataclass(frozen=True, slots=True)
class AgentEvents:
    """Writes `agent.published`, `agent.stopped` and `agent.deleted` to the outbox."""

    session: AsyncSession

    async def announce(self, row: AgentRow, spec: dict[str, Any] | None, canary_spec: dict[str, Any] | None) -> None:
        """Tell of the row's desired state."""
        state = published_agent(row, spec, canary_spec)
        await add_to_outbox(
            self.session, OUTBOX, make_event(SCHEMA, EVENT_TYPES[state.desired], str(state.agent_id), state)
        )
