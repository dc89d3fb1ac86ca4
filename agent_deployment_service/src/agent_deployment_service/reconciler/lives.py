"""Tells each step of each agent's life, once."""

from __future__ import annotations

from uuid import UUID

import structlog

from agent_deployment_service.deployments.lifecycle import AnyAgent, advance, agent_of
from agent_deployment_service.reconciler.store import AgentView

_log = structlog.get_logger(__name__)


class Lives:
    """The agents as they were when they were last looked at; what they were before this process began isn't told."""

    def __init__(self) -> None:
        self._known: dict[UUID, AnyAgent] = {}

    def note(self, view: AgentView) -> None:
        """Write down what became of an agent since the last look."""
        agent_id = view.target.agent_id
        known = self._known.get(agent_id)
        if known is None:
            self._known[agent_id] = agent_of(agent_id, view.observed)
            return
        self._known[agent_id], steps = advance(known, view.observed)
        for step in steps:
            _log.info(
                "agent_lifecycle", agent_id=str(agent_id), before=step.before, after=step.after, reason=step.reason
            )

    def forget(self, agent_id: UUID) -> None:
        """The agent is gone for good."""
        self._known.pop(agent_id, None)
