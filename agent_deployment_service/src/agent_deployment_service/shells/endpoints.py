"""`/internal/shells/{shell}`: which kinds of agents can run here, for the service that publishes them."""

from agent_deployment_service.dependencies import ManagementCalls, TheLauncher
from kgents_shared.contracts.agent_spec import Shell
from kgents_shared.contracts.deployments import ShellState
from kgents_shared.http.routing import Router

router = Router(prefix="/internal/shells", include_in_schema=False)


@router.get("/{shell}")
async def get_shell(_: ManagementCalls, shell: Shell, launcher: TheLauncher) -> ShellState:
    """Whether agents of the shell can be started."""
    return ShellState(why_not=await launcher.why_not(shell))
