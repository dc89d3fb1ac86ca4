"""What stands where a path says `{agent}`."""

import re
from dataclasses import dataclass
from uuid import UUID

from agent_management_service.errors import AgentNotFound

_NAME = re.compile(r"[a-z0-9-]{1,63}")


@dataclass(frozen=True, slots=True)
class AgentReference:
    """An agent by its id or by a name of the caller's: exactly one of the two."""

    id: UUID | None = None
    name: str | None = None

    @staticmethod
    def parse(agent: str) -> "AgentReference":
        """Read as an id, then as a name; `AgentNotFound` for what can be neither."""
        try:
            return AgentReference(id=UUID(agent))
        except ValueError:
            if _NAME.fullmatch(agent) is None:
                raise AgentNotFound from None
        return AgentReference(name=agent)
