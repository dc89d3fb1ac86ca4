"""`/internal/agents/{agent_id}/versions/{version}`: the runtime asks for a version that somebody talks to."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, status

from agent_deployment_service.dependencies import OpenWanted, RuntimeCalls, TheReconciler
from kgents_shared.http.routing import Router

router = Router(prefix="/internal/agents", include_in_schema=False)


@router.put("/{agent_id}/versions/{number}", status_code=status.HTTP_204_NO_CONTENT)
async def want_version(
    _: RuntimeCalls,
    agent_id: UUID,
    number: Annotated[int, Path(ge=1, le=2**31 - 1)],
    wanted: OpenWanted,
    reconciler: TheReconciler,
) -> None:
    """Run a version for a while, or for a while longer."""
    async with wanted() as service:
        await service.want(agent_id, number)
    reconciler.wake(agent_id)
