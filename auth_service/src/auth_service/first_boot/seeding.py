"""Roles, service clients and the first admin: put there at each start, in the background and until it works."""

import asyncio

import structlog

from auth_service.machines.service import seed_services
from auth_service.people.identity_provider import Identity, IdentityProvider
from auth_service.people.schemas import normalised
from auth_service.people.service import People
from auth_service.settings import AuthSettings
from auth_service.storage import Storage
from kgents_shared.auth import ROLE_DESCRIPTIONS, ROLE_SCOPES

_log = structlog.get_logger("auth.first_boot")
_ADMIN = "admin"


class FirstBoot:
    """Seeds the database. Doing it again changes nothing; `done` says that it was done in this process."""

    def __init__(self, settings: AuthSettings, storage: Storage, people: People, provider: IdentityProvider) -> None:
        self._settings = settings
        self._storage = storage
        self._people = people
        self._provider = provider
        self.done = False

    async def run(self) -> None:
        """Seed, then rest. Raises what went wrong, to be run again."""
        if not self.done:
            await self.seed()
        await asyncio.Event().wait()

    async def seed(self) -> None:
        """Roles and service clients as they should be, and an admin while there is none."""
        service_secrets = {name: secret.get_secret_value() for name, secret in self._settings.service_clients.items()}
        async with self._storage.transaction() as work:
            await work.roles.make_so(ROLE_SCOPES, ROLE_DESCRIPTIONS)
            await seed_services(work, service_secrets)
            has_admin = await work.users.somebody_has(_ADMIN)
        if not has_admin:
            await self._make_admin()
        self.done = True
        _log.info("seeded", roles=len(ROLE_SCOPES), service_clients=len(service_secrets))

    async def answers(self) -> bool:
        """The probe behind /health."""
        return self.done

    async def _make_admin(self) -> None:
        if self._settings.admin_password is None:
            _log.warning("no_admin", hint="set AUTH_ADMIN_EMAIL and AUTH_ADMIN_PASSWORD to have one made")
            return
        identity = await self._admin_identity(self._settings.admin_password.get_secret_value())
        if identity is None:
            return
        async with self._storage.transaction() as work:
            admin = await self._people.known(work, identity)
            await work.users.grant(admin.id, _ADMIN)
        _log.info("admin_made", user_id=str(admin.id))

    async def _admin_identity(self, password: str) -> Identity | None:
        """The admin's identity, unless somebody else registered that address first: they must not become admin."""
        email = normalised(self._settings.admin_email)
        identity, is_new = await self._provider.create(email, password, "Administrator")
        if is_new:
            return identity
        identity = await self._provider.authenticate(email, password)
        if identity is None:
            _log.error("admin_address_taken", hint="AUTH_ADMIN_EMAIL is another person's address here; name another")
        return identity
