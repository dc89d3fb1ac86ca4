"""Who a client is, what it may ask for, and how it gets its token (RFC 6749 §4.4, RFC 8707)."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from uuid import UUID

from auth_service.machines.repository import ClientRecord
from auth_service.storage import Work
from auth_service.tokens.access_tokens import AccessTokens
from auth_service.tokens.scopes import narrowed
from auth_service.tokens.service import TokenGrant
from kgents_shared.auth import PEOPLE_AUDIENCE

_SECRET_BYTES = 32
_NOBODYS_HASH = bytes(32)


class TargetRefused(Exception):
    """The audience that was asked for is none that this client may have, or none was asked for."""


class Machines:
    """Clients and their tokens. `targets` are the services that service clients may call."""

    def __init__(self, access_tokens: AccessTokens, targets: frozenset[str]) -> None:
        self._access_tokens = access_tokens
        self._targets = targets

    async def authenticate(self, work: Work, client_id: str, client_secret: str) -> ClientRecord | None:
        """The client, None alike where it is unknown, disabled or the secret is wrong."""
        client = await work.clients.find_enabled(client_id)
        known = _NOBODYS_HASH if client is None else client.secret_hash
        right = hmac.compare_digest(known, secret_hash(client_secret))
        return client if right else None

    async def grant(self, work: Work, client: ClientRecord, *, audience: str | None, scope: str | None) -> TokenGrant:
        """An access token for a client that has shown who it is. Raises `TargetRefused`, `ScopeNotGranted`."""
        if client.kind == "service":
            if audience is None or audience not in self._targets:
                raise TargetRefused
            scopes = narrowed(frozenset(), scope)
        else:
            if audience not in {None, PEOPLE_AUDIENCE}:
                raise TargetRefused
            audience = PEOPLE_AUDIENCE
            scopes = narrowed(await work.roles.scopes_of(client.roles), scope)
        token = self._access_tokens.issue(
            subject=client.client_id,
            audience=audience,
            client_id=client.client_id,
            scopes=scopes,
            roles=client.roles,
            epoch=client.token_epoch,
        )
        return TokenGrant(token, scopes, self._access_tokens.lifetime_s)


async def add_application(work: Work, owner_id: UUID, name: str, roles: frozenset[str]) -> tuple[str, str]:
    """Make a client for a person's application; its id, and its secret this once."""
    client_id, secret = f"app_{secrets.token_hex(12)}", secrets.token_urlsafe(_SECRET_BYTES)
    await work.clients.add_app(client_id, name=name, owner_id=owner_id, secret_hash=secret_hash(secret), roles=roles)
    return client_id, secret


async def seed_services(work: Work, service_secrets: Mapping[str, str]) -> None:
    """Make the service clients those of the settings (name → secret)."""
    await work.clients.make_services_so({name: secret_hash(secret) for name, secret in service_secrets.items()})


def secret_hash(secret: str) -> bytes:
    """What is stored. Client secrets are long and random, so that a plain hash is enough."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
