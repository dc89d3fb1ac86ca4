"""`/internal/instances`: the deployment service makes its instances known."""

from uuid import UUID

from agent_runtime_service.dependencies import AgentActivityDep, DeploymentCalls, InstanceServiceDep
from kgents_shared.contracts.instances import AgentsActivity, AgentsAsked, InstanceRegistration, RegisteredInstance
from kgents_shared.db import Page
from kgents_shared.http.routing import Router

router = Router(prefix="/internal/instances", include_in_schema=False)
activity_router = Router(prefix="/internal/agents", include_in_schema=False)


@router.put("/{instance_id}", status_code=204)
async def put_instance(
    instance_id: UUID, body: InstanceRegistration, _: DeploymentCalls, instances: InstanceServiceDep
) -> None:
    """Register an instance, or register it anew."""
    await instances.register(instance_id, body)


@router.delete("/{instance_id}", status_code=204)
async def delete_instance(instance_id: UUID, _: DeploymentCalls, instances: InstanceServiceDep) -> None:
    """Forget an instance; one that isn't known is no fault."""
    await instances.remove(instance_id)


@router.get("")
async def list_instances(_: DeploymentCalls, instances: InstanceServiceDep) -> Page[RegisteredInstance]:
    """All instances on one page."""
    return Page(items=await instances.registered())


@activity_router.post("/activity")
async def last_activity(body: AgentsAsked, _: DeploymentCalls, activity: AgentActivityDep) -> AgentsActivity:
    """When the newest run of each agent came in."""
    return AgentsActivity(last_run_at=dict(await activity.last_runs(body.agent_ids)))
