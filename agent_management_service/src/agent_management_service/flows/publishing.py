"""Whether a flow can be published: by what is in it, and by what the platform can run."""

from dataclasses import dataclass
from uuid import UUID

from agent_management_service.clients import ShellObserver
from agent_management_service.flows.errors import FlowNotRunnable, FlowUnknown
from agent_management_service.flows.repository import FlowRepository
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.definitions.flows.nodes import graph_of
from kgents_shared.definitions.flows.running import what_cannot_run


@dataclass(frozen=True, slots=True)
class FlowGate:
    """What stands between a flow's draft and its version."""

    flows: FlowRepository
    shells: ShellObserver

    async def check(self, agent_id: UUID, spec: AgentSpec) -> None:
        """Raise `FlowNotRunnable` for a flow that can't run here; `Unavailable` where nobody can say."""
        if spec.runtime.flow is None:
            return
        document = await self.flows.get(agent_id, spec.runtime.flow)
        if document is None:
            raise FlowUnknown
        faults = what_cannot_run(graph_of(document))
        if faults:
            raise FlowNotRunnable(faults)
        why = await self.shells.why_not(spec.runtime.shell)
        if why is not None:
            raise FlowNotRunnable.on_this_platform(why)
