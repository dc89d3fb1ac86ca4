"""What stands where a path says `{agent}`."""

from agent_management_service.errors import AgentNotFound
from kgents_shared.auth import Principal, Reference, referenced


def agent_reference(principal: Principal, agent: str) -> Reference:
    """An agent by id, by a name of the caller's, or by `organisation~name`; `AgentNotFound` for what can be none."""
    found = referenced(principal, agent)
    if found is None:
        raise AgentNotFound
    return found
