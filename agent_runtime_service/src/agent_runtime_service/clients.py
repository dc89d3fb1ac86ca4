"""The siblings that the runtime asks, as Protocols with an HTTP implementation."""

from typing import Protocol

from kgents_shared.auth import Reference
from kgents_shared.contracts.published_agent import PublishedAgent
from kgents_shared.contracts.tools import InvokeToolRequest, ResolvedTools, ResolveToolsRequest
from kgents_shared.contracts.worker import ToolCallResult
from kgents_shared.http.client import CallFailed, ServiceClient


class AgentCatalog(Protocol):
    """What is known of an agent beyond its instances."""

    async def resolve(self, agent: Reference) -> PublishedAgent | None:
        """The agent that a caller means, or None; raises `Unavailable`."""
        ...


class ToolRegistry(Protocol):
    """Which tools an agent has, and their invocation."""

    async def resolve(self, request: ResolveToolsRequest) -> ResolvedTools:
        """The tools that the patterns allow; raises `Unavailable`."""
        ...

    async def invoke(self, request: InvokeToolRequest, timeout_s: float) -> ToolCallResult:
        """Carry out one call; raises `Unavailable` where its answer is not known, `CallFailed` where refused."""
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

    async def invoke(self, request: InvokeToolRequest, timeout_s: float) -> ToolCallResult:
        """`POST /internal/tools/invoke`."""
        body = request.model_dump(mode="json")
        return ToolCallResult.model_validate(
            await self._client.request_json("POST", "/internal/tools/invoke", json=body, timeout_s=timeout_s)
        )
