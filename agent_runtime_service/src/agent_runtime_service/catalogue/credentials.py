"""The caller's own accounts at providers, asked of the auth service as the caller."""

from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

from kgents_shared.http.client import CallFailed, ServiceClient

_MOST: Final = 50
_DEFAULT: Final = "openai"


@dataclass(frozen=True, slots=True)
class OwnAccount:
    """A credential of the caller's, or of an organisation of theirs, for a provider."""

    credential_ref: str
    owner_id: str
    name: str
    provider: str


class Credentials(Protocol):
    """Finds them."""

    async def of_caller(self, bearer: str) -> list[OwnAccount]:
        """None for a caller who may not see credentials; raises `Unavailable`."""
        ...


class HttpCredentials:
    """The auth service."""

    def __init__(self, auth: ServiceClient) -> None:
        self._auth = auth

    async def of_caller(self, bearer: str) -> list[OwnAccount]:
        """`GET /api/v1/credentials`."""
        query: dict[str, str | list[str]] = {"type": "llm_provider", "limit": str(_MOST)}
        headers = {"Authorization": bearer}
        try:
            page = await self._auth.request_json("GET", "/api/v1/credentials", params=query, headers=headers)
        except CallFailed as failed:
            if failed.far_status == 403:
                return []
            raise
        rows = cast("list[dict[str, Any]]", page["items"])
        return [
            OwnAccount(row["credential_ref"], row["owner_id"], row["name"], row["provider"] or _DEFAULT) for row in rows
        ]
