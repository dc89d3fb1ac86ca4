"""What of an agent runs, as the deployment service tells its siblings."""

from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from kgents_shared.contracts.model import Contract

OUT_OF_MEMORY: Final = "it used more memory than its limit allows"
"""Why an instance ended that was over `limits.memory_mb`."""


class DeploymentState(StrEnum):
    """Where an agent stands as a whole."""

    STARTING = "starting"
    """Wanted, not answering yet."""
    READY = "ready"
    """The wanted version answers."""
    UPDATING = "updating"
    """An older version answers until the wanted one does."""
    FAILED = "failed"
    """The wanted version crashed too often; an older one may still answer."""
    STOPPING = "stopping"
    """Not wanted, but not all of it has ended."""
    STOPPED = "stopped"
    """Not wanted, and nothing of it runs."""


class ObservedDeployment(Contract):
    """One agent's deployment. `ready` of its `instances` answer; `last_error` is why one last ended by itself."""

    agent_id: UUID
    version: int | None
    state: DeploymentState
    instances: int
    ready: int
    last_error: str | None
    updated_at: datetime


class ShellState(Contract):
    """Whether agents of a shell can run; `why_not` says what keeps them from it."""

    why_not: str | None
