"""The siblings that this service calls, as what it needs of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, cast
from uuid import UUID

import structlog

from kgents_shared.auth import Reference
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.instances import AgentsActivity, InstanceRegistration
from kgents_shared.contracts.published_agent import PublishedAgent
from kgents_shared.errors import ApiError
from kgents_shared.http.client import CallFailed, ServiceClient

_PAGE = 500
_ACTIVITY_S = 1.0
_log = structlog.get_logger(__name__)


class AgentSource(Protocol):
    """What should run: the management service."""

    async def desired(self) -> list[PublishedAgent]:
        """Every agent that was ever announced, with the tombstones of the last days. `Unavailable`, `CallFailed`."""
        ...

    async def version(self, agent_id: UUID, number: int) -> AgentSpec | None:
        """What a version of an agent says; None where there is none of that number."""
        ...

    async def exists(self, agent: Reference) -> bool:
        """Whether there is that agent, published or not."""
        ...


class FlowSource(Protocol):
    """What agents of Langflow are: the management service too."""

    async def flow(self, agent_id: UUID, number: int) -> dict[str, Any]:
        """The flow that a version of an agent is. `Unavailable`, `CallFailed`."""
        ...


class InstanceRegistry(Protocol):
    """Where messages find instances: the runtime service."""

    async def put(self, instance_id: UUID, registration: InstanceRegistration) -> None:
        """Makes an instance known, or known anew."""
        ...

    async def remove(self, instance_id: UUID) -> None:
        """Forgets an instance; an unknown one is no fault."""
        ...

    async def registered(self) -> dict[UUID, InstanceRegistration]:
        """All instances that are known there."""
        ...


class AgentActivity(Protocol):
    """When agents were last talked to: the runtime service too."""

    async def last_runs(self, agent_ids: Sequence[UUID]) -> Mapping[UUID, datetime]:
        """When the newest run of each began; without those that had none, and of none where nobody can say."""
        ...


@dataclass(frozen=True, slots=True)
class ManagementAgents:
    """The management service over HTTP."""

    client: ServiceClient

    async def desired(self) -> list[PublishedAgent]:
        """`GET /internal/agents/desired`, all pages."""
        return [PublishedAgent.model_validate(row) for row in await _all_pages(self.client, "/internal/agents/desired")]

    async def version(self, agent_id: UUID, number: int) -> AgentSpec | None:
        """`GET /internal/agents/{agent_id}/versions/{number}`."""
        try:
            found = await self.client.request_json("GET", f"/internal/agents/{agent_id}/versions/{number}")
        except CallFailed as error:
            if error.far_status == 404:
                return None
            raise
        return AgentSpec.model_validate(found)

    async def flow(self, agent_id: UUID, number: int) -> dict[str, Any]:
        """`GET /internal/agents/{agent_id}/versions/{number}/flow`."""
        found = await self.client.request_json("GET", f"/internal/agents/{agent_id}/versions/{number}/flow")
        return cast("dict[str, Any]", found)

    async def exists(self, agent: Reference) -> bool:
        """`GET /internal/agents/resolve`."""
        query = {"owner_id": sorted(agent.owner_ids), "agent": agent.spelled}
        try:
            await self.client.request_json("GET", "/internal/agents/resolve", params=query)
        except CallFailed as error:
            if error.far_status in (404, 422):
                return False
            raise
        return True


@dataclass(frozen=True, slots=True)
class RuntimeInstances:
    """The runtime service over HTTP."""

    client: ServiceClient

    async def put(self, instance_id: UUID, registration: InstanceRegistration) -> None:
        """`PUT /internal/instances/{id}`."""
        await self.client.request_json(
            "PUT", f"/internal/instances/{instance_id}", json=registration.model_dump(mode="json")
        )

    async def remove(self, instance_id: UUID) -> None:
        """`DELETE /internal/instances/{id}`."""
        try:
            await self.client.request_json("DELETE", f"/internal/instances/{instance_id}")
        except CallFailed as error:
            if error.far_status != 404:
                raise

    async def registered(self) -> dict[UUID, InstanceRegistration]:
        """`GET /internal/instances`, all pages."""
        found: dict[UUID, InstanceRegistration] = {}
        for row in await _all_pages(self.client, "/internal/instances"):
            instance_id = UUID(str(row.pop("instance_id")))
            found[instance_id] = InstanceRegistration.model_validate(row)
        return found


@dataclass(frozen=True, slots=True)
class RuntimeActivity:
    """The runtime service over HTTP. It isn't waited for: what it doesn't say at once is left out."""

    client: ServiceClient

    async def last_runs(self, agent_ids: Sequence[UUID]) -> Mapping[UUID, datetime]:
        """`POST /internal/agents/activity`."""
        if not agent_ids:
            return {}
        body = {"agent_ids": [str(agent_id) for agent_id in agent_ids]}
        try:
            found = await self.client.request_json(
                "POST", "/internal/agents/activity", json=body, timeout_s=_ACTIVITY_S
            )
        except ApiError as error:
            _log.info("activity_not_known", reason=error.detail)
            return {}
        return AgentsActivity.model_validate(found).last_run_at


async def _all_pages(client: ServiceClient, path: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        params = {"limit": str(_PAGE)} | ({"cursor": cursor} if cursor else {})
        page = cast("dict[str, Any]", await client.request_json("GET", path, params=params))
        rows += page["items"]
        cursor = page.get("next_cursor")
        if not cursor:
            return rows
