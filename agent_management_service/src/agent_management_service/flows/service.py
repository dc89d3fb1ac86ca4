"""Reading the flow that an agent is."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agent_management_service.agents.repository import AgentRepository
from agent_management_service.flows.errors import FlowNotFound
from agent_management_service.flows.repository import FlowRepository
from agent_management_service.versions.repository import VersionRepository
from kgents_shared.auth import Reference
from kgents_shared.contracts.agent_spec import AgentSpec


@dataclass(frozen=True, slots=True)
class FlowService:
    """Flows of agents, within one transaction."""

    agents: AgentRepository
    versions: VersionRepository
    flows: FlowRepository

    async def flow(self, reference: Reference, number: int | None) -> dict[str, Any]:
        """The flow of a version (None: of the draft), as it was sent.

        `AgentNotFound`, `VersionNotFound`, `FlowNotFound` for an agent of another kind.
        """
        row = await self.agents.get(reference)
        spec = row.draft if number is None else (await self.versions.get(row.id, number)).spec
        return await self.of_spec(row.id, spec)

    async def of_spec(self, agent_id: UUID, spec: dict[str, Any]) -> dict[str, Any]:
        """The flow that a definition of the agent names; `FlowNotFound` where it names none."""
        digest = AgentSpec.model_validate(spec).runtime.flow
        document = None if digest is None else await self.flows.get(agent_id, digest)
        if document is None:
            raise FlowNotFound
        return document
