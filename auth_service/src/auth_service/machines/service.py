"""Who a client is, how far it reaches, and how it gets its token (RFC 6749 §4.4, RFC 7523, RFC 8707)."""

import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from auth_service.machines.assertions import LEEWAY_S, read_assertion
from auth_service.machines.repository import ClientRecord
from auth_service.storage import Work
from auth_service.tokens.access_tokens import AccessTokens, Standing
from auth_service.tokens.scopes import narrowed
from auth_service.tokens.service import TokenGrant
from kgents_shared.auth import PEOPLE_AUDIENCE

_NOBODYS_HASHES = (bytes(32),)


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A client that says who it is, and its secret."""

    client_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClientAssertion:
    """A client that says who it is, and what it signed."""

    client_id: str
    assertion: str = field(repr=False)


Shown = ClientSecret | ClientAssertion


class TargetRefused(Exception):
    """The audience that was asked for is none that this client may have, or none was asked for."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What a client may do at this moment, and with whom it stands."""

    scopes: frozenset[str]
    roles: frozenset[str]
    standing: Standing


class Machines:
    """Clients and their tokens. `targets` are the services that service clients may call, `names` this server's own."""

    def __init__(self, access_tokens: AccessTokens, targets: frozenset[str], names: frozenset[str]) -> None:
        self._access_tokens = access_tokens
        self.targets = targets
        self._names = names

    async def authenticate(self, work: Work, shown: Shown) -> ClientRecord | None:
        """The client, None alike where it is unknown, disabled, or what it showed is wrong or was shown before."""
        client = await work.clients.find_enabled(shown.client_id)
        if isinstance(shown, ClientSecret):
            known = (client.secret_hashes if client is not None else ()) or _NOBODYS_HASHES
            right = [hmac.compare_digest(one, secret_hash(shown.secret)) for one in known]
            return client if any(right) else None
        if client is None or not client.jwks:
            return None
        return client if await self._is_new(work, client, shown.assertion) else None

    async def reach(self, work: Work, client: ClientRecord) -> Reach:
        """What the client has, cut to what its owner has now; a service has no scopes of its own."""
        if client.owner is None:
            return Reach(frozenset(), client.roles, Standing())
        owners = await work.roles.scopes_of(client.owner.roles)
        scopes = (client.scopes | await work.roles.scopes_of(client.roles)) & owners
        owner_id = str(client.owner.id)
        # A token goes with its owner's: who disables a person, or takes a role away, has done so to their machines.
        organisations = await work.organisations.of(client.owner.id)
        standing = Standing(
            organisations=organisations, owner=owner_id, depends_on={owner_id: client.owner.token_epoch}
        )
        return Reach(scopes, await work.roles.within(client.roles, owners), standing)

    async def grant(self, work: Work, client: ClientRecord, *, audience: str | None, scope: str | None) -> TokenGrant:
        """An access token for a client that has shown who it is. Raises `TargetRefused`, `ScopeNotGranted`."""
        if client.kind == "service":
            if audience is None or audience not in self.targets:
                raise TargetRefused
        elif audience not in {None, PEOPLE_AUDIENCE}:
            raise TargetRefused
        reach = await self.reach(work, client)
        scopes = narrowed(reach.scopes, scope)
        token = self._access_tokens.issue(
            subject=client.client_id,
            audience=audience or PEOPLE_AUDIENCE,
            client_id=client.client_id,
            scopes=scopes,
            roles=reach.roles,
            epoch=client.token_epoch,
            standing=reach.standing,
        )
        return TokenGrant(token, scopes, self._access_tokens.lifetime_s)

    async def _is_new(self, work: Work, client: ClientRecord, text: str) -> bool:
        read = read_assertion(text, client_id=client.client_id, keys=client.jwks, audiences=self._names)
        if read is None:
            return False
        left_s = read.expires_at - time.time() + LEEWAY_S
        return await work.clients.use_assertion(client.client_id, secret_hash(read.jti), for_s=left_s)


async def seed_services(work: Work, service_secrets: Mapping[str, str]) -> None:
    """Make the service clients those of the settings (name → secret)."""
    await work.clients.make_services_so({name: secret_hash(secret) for name, secret in service_secrets.items()})


def secret_hash(secret: str) -> bytes:
    """What is stored. Client secrets are long and random, so that a plain hash is enough."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
