"""The rules of drafts: who may have which, and what changes when."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from agent_management_service.agents.listing import AgentFilter
from agent_management_service.agents.models import AgentRow
from agent_management_service.agents.repository import AgentRepository
from agent_management_service.errors import NameIsFixed
from agent_management_service.flows.errors import FlowUnknown
from agent_management_service.flows.repository import FlowRepository
from kgents_shared.auth import Reference
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.db import PageRequest
from kgents_shared.definitions.flows.compile import Flow
from kgents_shared.definitions.limits import SystemLimits, refuse_beyond


@dataclass(frozen=True, slots=True)
class AgentService:
    """Drafts of agents, within one transaction that its caller commits."""

    agents: AgentRepository
    flows: FlowRepository
    limits: SystemLimits

    async def create(self, owner_id: str, spec: AgentSpec, flow: Flow | None = None) -> AgentRow:
        """A new agent with its draft; `NameTaken`, `InvalidInput` for more than the platform gives."""
        refuse_beyond(spec, self.limits)
        row = await self.agents.add(owner_id, spec.name, spec.model_dump(mode="json"))
        await self._keep_flow(row, spec, flow)
        return row

    async def get(self, reference: Reference) -> AgentRow:
        """One agent; `AgentNotFound`."""
        return await self.agents.get(reference)

    async def page(self, owner_ids: Collection[str], wanted: AgentFilter, page: PageRequest) -> Sequence[AgentRow]:
        """Up to `limit + 1` agents."""
        return await self.agents.page(owner_ids, wanted, page.limit, page.after)

    async def replace_draft(self, reference: Reference, spec: AgentSpec, flow: Flow | None = None) -> AgentRow:
        """Put another draft in place; what is published stays as it is. `NameIsFixed` for another name.

        A flow has a title and no agent's name: it takes this agent's.
        """
        refuse_beyond(spec, self.limits)
        row = await self.agents.lock(reference)
        if flow is not None:
            spec = spec.model_copy(update={"name": row.name})
        if spec.name != row.name:
            raise NameIsFixed(row.name)
        row.draft = spec.model_dump(mode="json")
        row.updated_at = datetime.now(UTC)
        await self._keep_flow(row, spec, flow)
        return row

    async def _keep_flow(self, row: AgentRow, spec: AgentSpec, flow: Flow | None) -> None:
        """Keep the flow that the draft names beside it. `FlowUnknown` where it was never sent for this agent."""
        digest = spec.runtime.flow
        if flow is not None:
            await self.flows.keep(row.id, flow.hash, flow.value)
        elif digest is not None and not await self.flows.has(row.id, digest):
            raise FlowUnknown
        await self.flows.forget_unused(row.id, digest)
