"""The siblings that the runtime asks, as Protocols with an HTTP implementation."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol
from uuid import UUID

import structlog

from agent_runtime_service.errors import AgentNotFound, AgentStopped, TooManyVersions, VersionNotFound
from kgents_shared.auth import Reference
from kgents_shared.contracts.approvals import ApprovalState, ApprovalStates
from kgents_shared.contracts.deployments import ObservedDeployment
from kgents_shared.contracts.published_agent import PublishedAgent
from kgents_shared.contracts.tools import (
    InvokeToolAnswer,
    InvokeToolRequest,
    RecordedCall,
    RecordedCalls,
    ResolvedTools,
    ResolveToolsRequest,
    StoppedCall,
    StoppedCalls,
)
from kgents_shared.errors import ApiError
from kgents_shared.http.client import CallFailed, ServiceClient

_log = structlog.get_logger("kgents.runtime.siblings")
_OBSERVED_WITHIN_S: Final = 2.0
_REFUSALS: Final[Mapping[str, type[ApiError]]] = {
    "agent_not_found": AgentNotFound,
    "agent_not_published": AgentStopped,
    "version_not_found": VersionNotFound,
    "too_many_versions": TooManyVersions,
}


class AgentCatalog(Protocol):
    """What is known of an agent beyond its instances."""

    async def resolve(self, agent: Reference) -> PublishedAgent | None:
        """The agent that a caller means, or None; raises `Unavailable`."""
        ...


class VersionRunner(Protocol):
    """Runs versions that have no label, for who asks for one by its number."""

    async def want(self, agent_id: UUID, version: int) -> None:
        """See to it that the version runs from now on for a while; raises `ApiError`."""
        ...


class ToolRegistry(Protocol):
    """Which tools an agent has, and their invocation."""

    async def resolve(self, request: ResolveToolsRequest) -> ResolvedTools:
        """The tools that the patterns allow; raises `Unavailable`."""
        ...

    async def invoke(self, request: InvokeToolRequest, timeout_s: float) -> InvokeToolAnswer:
        """Carry out one call; raises `Unavailable` where its answer is not known, `CallFailed` where refused."""
        ...

    async def stop(self, run_id: UUID) -> Sequence[StoppedCall]:
        """End the calls of a run that was cancelled; what became of each. Raises `Unavailable`."""
        ...


class RecordedToolCalls(Protocol):
    """What the registry recorded of calls that were made."""

    async def of_runs(self, run_ids: Sequence[UUID]) -> Sequence[RecordedCall]:
        """The calls of these runs, 100 at most; raises `ApiError`."""
        ...

    async def empty(self, run_ids: Sequence[UUID]) -> None:
        """Forget what was said in the calls of these runs, 100 at most; raises `ApiError`."""
        ...


class Approvals(Protocol):
    """What became of the approvals that runs wait for."""

    async def states(self, ids: Sequence[UUID]) -> Sequence[ApprovalState]:
        """Of those that are known; raises `Unavailable`."""
        ...

    async def cancel(self, run_id: UUID) -> None:
        """A run has ended: nobody needs to decide on it any more, and nothing may be done in its name."""
        ...


class HttpAgentCatalog:
    """The agent management service."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def resolve(self, agent: Reference) -> PublishedAgent | None:
        """`GET /internal/agents/resolve`."""
        query = {"owner_id": sorted(agent.owner_ids), "agent": agent.spelled}
        try:
            found = await self._client.request_json("GET", "/internal/agents/resolve", params=query)
        except CallFailed as failed:
            if failed.far_status in {404, 422}:
                return None
            raise
        return PublishedAgent.model_validate(found)


class InstanceObserver(Protocol):
    """What is seen of an agent's instances by who starts them."""

    async def last_error(self, agent_id: UUID, owner_id: str) -> str | None:
        """Why one last ended by itself; None where none did, or nobody can say."""
        ...


class HttpInstanceObserver:
    """The agent deployment service."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def last_error(self, agent_id: UUID, owner_id: str) -> str | None:
        """`GET /internal/deployments/{agent_id}`."""
        path, query = f"/internal/deployments/{agent_id}", {"owner_id": owner_id}
        try:
            found = await self._client.request_json("GET", path, params=query, timeout_s=_OBSERVED_WITHIN_S)
        except ApiError as error:
            _log.info("deployment_not_known", agent_id=str(agent_id), error=error.detail)
            return None
        return None if found is None else ObservedDeployment.model_validate(found).last_error


class HttpVersionRunner:
    """The agent deployment service."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def want(self, agent_id: UUID, version: int) -> None:
        """`PUT /internal/agents/{agent_id}/versions/{version}`."""
        try:
            await self._client.request_json("PUT", f"/internal/agents/{agent_id}/versions/{version}")
        except CallFailed as failed:
            refusal = _REFUSALS.get(failed.far_code)
            if refusal is None:
                raise
            raise refusal(failed.detail) from failed


class HttpToolRegistry:
    """The tool registry service."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def resolve(self, request: ResolveToolsRequest) -> ResolvedTools:
        """`POST /internal/tools/resolve`."""
        body = request.model_dump(mode="json")
        return ResolvedTools.model_validate(
            await self._client.request_json("POST", "/internal/tools/resolve", json=body, timeout_s=30)
        )

    async def invoke(self, request: InvokeToolRequest, timeout_s: float) -> InvokeToolAnswer:
        """`POST /internal/tools/invoke`."""
        body = request.model_dump(mode="json")
        return InvokeToolAnswer.model_validate(
            await self._client.request_json("POST", "/internal/tools/invoke", json=body, timeout_s=timeout_s)
        )

    async def stop(self, run_id: UUID) -> Sequence[StoppedCall]:
        """`POST /internal/tools/stop`."""
        found = await self._client.request_json("POST", "/internal/tools/stop", json={"run_id": str(run_id)})
        return StoppedCalls.model_validate(found).calls


class HttpRecordedToolCalls:
    """The tool registry service."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def of_runs(self, run_ids: Sequence[UUID]) -> Sequence[RecordedCall]:
        """`GET /internal/tools/calls`."""
        query = {"run_id": [str(run_id) for run_id in run_ids]}
        found = await self._client.request_json("GET", "/internal/tools/calls", params=query)
        return RecordedCalls.model_validate(found).calls

    async def empty(self, run_ids: Sequence[UUID]) -> None:
        """`DELETE /internal/tools/calls`."""
        query = {"run_id": [str(run_id) for run_id in run_ids]}
        await self._client.request_json("DELETE", "/internal/tools/calls", params=query)


class HttpApprovals:
    """The governance service."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def states(self, ids: Sequence[UUID]) -> Sequence[ApprovalState]:
        """`GET /internal/approvals/states`."""
        query = {"ids": [str(approval_id) for approval_id in ids]}
        found = await self._client.request_json("GET", "/internal/approvals/states", params=query)
        return ApprovalStates.model_validate(found).approvals

    async def cancel(self, run_id: UUID) -> None:
        """`POST /internal/approvals/cancel`."""
        await self._client.request_json("POST", "/internal/approvals/cancel", json={"run_id": str(run_id)})
