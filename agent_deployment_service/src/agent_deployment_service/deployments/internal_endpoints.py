"""`/internal/deployments/{agent_id}`: what runs of an agent, for the service that shows its state elsewhere."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from agent_deployment_service.dependencies import Deployments, ObserverCalls
from kgents_shared.auth import Reference
from kgents_shared.contracts.deployments import ObservedDeployment
from kgents_shared.http.routing import Router

router = Router(prefix="/internal/deployments", include_in_schema=False)
_OwnerId = Annotated[str, Query(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]


@router.get("/{agent_id}")
async def observe_deployment(
    principal: ObserverCalls, agent_id: UUID, owner_id: _OwnerId, deployments: Deployments
) -> ObservedDeployment | None:
    """The owner's agent's deployment; null for an agent that this service hasn't heard of."""
    async with deployments(principal) as service:
        return await service.observed(Reference(frozenset({owner_id}), id=agent_id))
