"""How a list of agents is filtered."""

from dataclasses import dataclass

from agent_management_service.agents.models import AgentStatus
from agent_management_service.listing import Listing


@dataclass(frozen=True, slots=True)
class AgentFilter(Listing):
    """What was asked for, and in which state the agents are."""

    status: AgentStatus | None
