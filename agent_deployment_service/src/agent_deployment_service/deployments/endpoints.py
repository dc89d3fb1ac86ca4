"""`/api/v1/agents/{agent}/{deployments,logs,restart}` and `/api/v1/deployments`."""

from fastapi import status

from agent_deployment_service.dependencies import (
    AgentPath,
    Deployments,
    DeploymentsRead,
    DeploymentsWrite,
    IdempotencyKey,
    Tail,
    TheLauncher,
    TheReconciler,
)
from agent_deployment_service.deployments.schemas import DeploymentView
from kgents_shared.db import Cursor, Page, PageQuery, make_page
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1", tags=["deployments"])


@router.get("/agents/{agent}/deployments")
async def list_agent_deployments(
    principal: DeploymentsRead, agent: AgentPath, deployments: Deployments
) -> Page[DeploymentView]:
    """What runs of an agent; empty for one that was never published."""
    async with deployments(principal) as service:
        return Page(items=await service.of_agent(agent))


@router.post("/agents/{agent}/restart", status_code=status.HTTP_202_ACCEPTED, responses=refusals(409))
async def restart_agent(
    principal: DeploymentsWrite,
    agent: AgentPath,
    deployments: Deployments,
    reconciler: TheReconciler,
    idempotency_key: IdempotencyKey = None,
) -> DeploymentView:
    """Start new instances beside the old ones, which end once the new ones answer."""
    async with deployments(principal) as service:
        view = await service.restart(agent, idempotency_key)
    reconciler.wake(view.agent_id)
    return view


@router.get("/agents/{agent}/logs")
async def read_agent_logs(
    principal: DeploymentsRead, agent: AgentPath, deployments: Deployments, launcher: TheLauncher, tail: Tail = 200
) -> Page[str]:
    """The newest lines that the agent's workers wrote, oldest first."""
    async with deployments(principal) as service:
        agent_id = await service.agent_id(agent)
    return Page(items=[] if agent_id is None else await launcher.logs(agent_id, tail))


@router.get("/deployments")
async def list_deployments(
    principal: DeploymentsRead, page: PageQuery, deployments: Deployments
) -> Page[DeploymentView]:
    """The deployments of the caller and their organisations, newest first."""
    async with deployments(principal) as service:
        rows = await service.page(page)
    return make_page(rows, page, item=_same, key=_place)


def _same(view: DeploymentView) -> DeploymentView:
    return view


def _place(view: DeploymentView) -> Cursor:
    return (str(view.id),)
