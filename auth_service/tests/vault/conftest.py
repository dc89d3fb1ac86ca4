"""People with credentials, and the services that resolve them."""

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from auth_service.vault.master_keys.ring import KeyRing
from kgents_shared.testing.polling import eventually
from tests.external.running_auth import RUNTIME_SECRET, TOOLS_SECRET, RunningAuth

CREDENTIALS = "/api/v1/credentials"
KEEP = "/internal/credentials"
RESOLVE = "/internal/credentials/resolve"


def a_canary() -> str:
    """A secret that nobody else has, and that no format tells."""
    return f"canary{secrets.token_hex(12)}"


@dataclass
class Keeper:
    """Somebody who keeps credentials."""

    auth: RunningAuth
    owner_id: str
    headers: dict[str, str] = field(repr=False)

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """A request of theirs."""
        return await self.auth.client.request(method, path, json=body, headers=self.headers, **more)

    async def keep(self, secret: Any, **changes: Any) -> dict[str, Any]:
        """Keep a secret; the credential."""
        body = {"name": f"c-{secrets.token_hex(6)}", "type": "generic", "secret": secret, **changes}
        answer = await self.ask("POST", CREDENTIALS, body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made


async def keeper_of(auth: RunningAuth, email: str | None = None) -> Keeper:
    """Somebody new."""
    tokens = await auth.log_in(email)
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    me = await auth.client.get("/api/v1/users/me", headers=headers)
    return Keeper(auth, me.json()["id"], headers)


@pytest.fixture
async def keeper(auth: RunningAuth) -> Keeper:
    """Somebody who is allowed to keep credentials (the role developer)."""
    return await keeper_of(auth)


async def service_headers(auth: RunningAuth, name: str) -> dict[str, str]:
    """What a service's calls of this service carry."""
    secret = {"runtime": RUNTIME_SECRET, "tools": TOOLS_SECRET}[name]
    answer = await auth.token(grant_type="client_credentials", client_id=name, client_secret=secret, audience="auth")
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def resolve(auth: RunningAuth, ref: str, owner_id: str, *, by: str = "runtime") -> httpx.Response:
    """A service asks for a secret."""
    body = {"credential_ref": ref, "owner_id": owner_id, "purpose": "a test"}
    return await auth.client.post(RESOLVE, json=body, headers=await service_headers(auth, by))


def ring_of(file: Path) -> KeyRing:
    """The master keys in a file."""
    return KeyRing.parse(file.read_text())


async def in_force(auth: RunningAuth) -> str:
    """The master key for new writes."""
    rows = await auth.rows("SELECT key_id FROM identity.vault_keys ORDER BY position DESC LIMIT 1")
    return str(rows[0][0])


async def rewrapped(auth: RunningAuth, left: int = 0) -> None:
    """Wait until all data keys but `left` are under the master key in force."""

    async def all_are() -> bool:
        wanted = "SELECT count(*) FROM identity.credentials WHERE key_id <> :in_force"
        return (await auth.rows(wanted, in_force=await in_force(auth)))[0][0] == left

    await eventually(all_are, describe="the data keys are wrapped anew")
