"""The caller's agents as OpenAI's clients list models."""

from collections.abc import Iterator
from typing import Any

from agent_runtime_service.errors import AgentNotFound
from agent_runtime_service.instances.directory import InstanceDirectory
from agent_runtime_service.messages.finder import meant_agent, meant_lane
from agent_runtime_service.openai_api.times import made_at
from kgents_shared.auth import Principal
from kgents_shared.auth.ownership import OF, organisation_of
from kgents_shared.contracts.instances import InstanceRegistration


class ModelDirectory:
    """Agents that run, under the names that a caller has for them."""

    def __init__(self, directory: InstanceDirectory) -> None:
        self._directory = directory

    def listed(self, principal: Principal) -> list[dict[str, Any]]:
        """The caller's running agents, and those of their organisations, by name: the shape of `ListedModel`."""
        return sorted((_model(principal, row) for row in self._of(principal)), key=lambda model: model["id"])

    def one(self, principal: Principal, agent: str) -> dict[str, Any]:
        """One of them; raises `AgentNotFound`."""
        name, _ = meant_lane(agent)
        agent_id = self._directory.find_agent(meant_agent(principal, name))
        for row in self._of(principal):
            if row.agent_id == agent_id:
                return {**_model(principal, row), "id": agent}
        raise AgentNotFound("There is no such agent, or it does not run.")

    def _of(self, principal: Principal) -> Iterator[InstanceRegistration]:
        for instances in self._directory.by_agent().values():
            if instances and instances[0].registration.owner_id in principal.owner_ids:
                yield instances[0].registration


def _model(principal: Principal, row: InstanceRegistration) -> dict[str, Any]:
    organisation = organisation_of(principal, row.owner_id)
    name = row.agent_name if organisation is None else f"{organisation}{OF}{row.agent_name}"
    return {"id": name, "object": "model", "created": made_at(row.agent_id), "owned_by": organisation or "you"}
