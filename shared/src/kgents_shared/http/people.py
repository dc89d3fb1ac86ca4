"""Who may what at this moment, whatever their tokens say: the auth service, asked by its siblings."""

from dataclasses import dataclass
from typing import Protocol

from kgents_shared.contracts.standing import Standing
from kgents_shared.http.client import CallFailed, ServiceClient

_NOBODY = Standing(active=False)


class People(Protocol):
    """Who may what at this moment."""

    async def standing(self, subject: str) -> Standing:
        """What a person may now; not active for whom there is not. Raises `Unavailable` where it can't be known."""
        ...


@dataclass(frozen=True, slots=True)
class HttpPeople:
    """The auth service over HTTP."""

    client: ServiceClient

    async def standing(self, subject: str) -> Standing:
        """`GET /internal/people/{subject}/standing`."""
        try:
            found = await self.client.request_json("GET", f"/internal/people/{subject}/standing", timeout_s=5)
        except CallFailed as failed:
            if failed.far_status in (404, 422):
                return _NOBODY
            raise
        return Standing.model_validate(found)
