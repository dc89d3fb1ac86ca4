"""A browser that goes to an issuer to log in and comes back to the auth service."""

from dataclasses import dataclass

import httpx


@dataclass(frozen=True)
class Browser:
    """A browser with cookies of its own; `outside` is what it goes to issuers with."""

    client: httpx.AsyncClient
    outside: httpx.AsyncClient

    async def start(self, name: str = "acme") -> str:
        """Begin a login; where the issuer would send the browser back to."""
        answer = await self.client.get(f"/api/v1/auth/oidc/{name}/start")
        assert answer.status_code == 303, answer.text
        there = await self.outside.get(answer.headers["location"])
        assert there.status_code == 302, there.text
        return there.headers["location"]

    async def log_in(self, name: str = "acme") -> httpx.Response:
        """Go there and back."""
        return await self.client.get(await self.start(name))
