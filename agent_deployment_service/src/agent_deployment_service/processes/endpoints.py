"""`/internal/processes`: what the launcher runs, for `kgents server status` and `kgents doctor`."""

from agent_deployment_service.dependencies import SiblingCalls, TheLauncher
from agent_deployment_service.deployments.schemas import ProcessesView, ProcessView, ProtectionView
from kgents_shared.http.routing import Router

router = Router(prefix="/internal", include_in_schema=False)


@router.get("/processes")
async def list_processes(_: SiblingCalls, launcher: TheLauncher) -> ProcessesView:
    """Every process of the launcher and every wall around an instance."""
    protections = await launcher.protections()
    return ProcessesView(
        launcher=launcher.name,
        processes=[
            ProcessView(role=row.role, pid=row.pid, agent=row.agent, instance_id=row.instance_id, state=row.state)
            for row in launcher.processes()
        ],
        protections=[ProtectionView(name=item.name, on=item.on, detail=item.detail) for item in protections],
    )
