"""The siblings that this service asks, as Protocols with an HTTP implementation."""

from typing import Protocol

from kgents_shared.contracts.tools import KnownTools
from kgents_shared.http.client import ServiceClient

_TIMEOUT_S = 5


class ToolCatalog(Protocol):
    """Which tools an owner has."""

    async def of_owner(self, owner_id: str) -> KnownTools:
        """All of them, by name; raises an `ApiError` where the registry can't be asked."""
        ...


class HttpToolCatalog:
    """The tool registry service."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def of_owner(self, owner_id: str) -> KnownTools:
        """`GET /internal/tools/known`."""
        found = await self._client.request_json(
            "GET", "/internal/tools/known", params={"owner_id": owner_id}, timeout_s=_TIMEOUT_S
        )
        return KnownTools.model_validate(found)
