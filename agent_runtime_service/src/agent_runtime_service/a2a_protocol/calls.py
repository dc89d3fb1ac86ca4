"""One call that came in over the protocol: whose, for which agent."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from kgents_shared.auth import Principal

# Where the request's state has it, and then the SDK's context.
CALL: Final = "kgents_call"


@dataclass(frozen=True, slots=True)
class Call:
    """A verified caller and the agent, as they wrote it and by its id."""

    principal: Principal
    agent: str
    agent_id: UUID
