"""The services that keep something of people, as this one asks them."""

from collections.abc import AsyncGenerator

from kgents_shared.http.client import ServiceClient


class SiblingData:
    """`GET|DELETE /internal/people/{subject}/data` of one sibling."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    def export(self, subject: str) -> AsyncGenerator[bytes]:
        """Its lines of JSON; raises `ApiError`."""
        return self._client.lines(f"/internal/people/{subject}/data")

    async def erase(self, subject: str) -> int:
        """Have it erase; how many rows have to wait. Raises `ApiError`."""
        told = await self._client.request_json("DELETE", f"/internal/people/{subject}/data", timeout_s=25)
        return int(told["left"])
