"""One transaction and the repositories on it."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from auth_service.api_keys.repository import ApiKeyRepository
from auth_service.applications.repository import ApplicationRepository
from auth_service.keys.repository import SigningKeyRepository
from auth_service.limits.repository import LimitRepository
from auth_service.machines.repository import ClientRepository
from auth_service.mail.repository import MailRepository
from auth_service.oidc.repository import OidcAttemptRepository
from auth_service.organisations.repository import OrganisationRepository
from auth_service.personal_data.repository import ErasureRepository
from auth_service.revocations.events import RevocationMade
from auth_service.revocations.repository import RevocationRepository
from auth_service.roles.repository import RoleRepository
from auth_service.schema import OUTBOX, SCHEMA
from auth_service.tokens.repository import RefreshTokenRepository
from auth_service.users.repository import UserRepository
from auth_service.vault.control_plane.repository import ControlPlaneRepository
from auth_service.vault.credentials.repository import CredentialRepository
from auth_service.vault.rotation.repository import VaultKeyRepository
from kgents_shared.contracts.revocations import REVOCATION_MADE
from kgents_shared.db import Database
from kgents_shared.events import add_to_outbox, make_event


class Work:
    """What services work on within one transaction; they never commit."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self.users = UserRepository(session)
        self.roles = RoleRepository(session)
        self.clients = ClientRepository(session)
        self.applications = ApplicationRepository(session)
        self.refresh_tokens = RefreshTokenRepository(session)
        self.revocations = RevocationRepository(session)
        self.api_keys = ApiKeyRepository(session)
        self.mail = MailRepository(session)
        self.oidc_attempts = OidcAttemptRepository(session)
        self.organisations = OrganisationRepository(session)
        self.limits = LimitRepository(session)
        self.signing_keys = SigningKeyRepository(session)
        self.credentials = CredentialRepository(session)
        self.vault_keys = VaultKeyRepository(session)
        self.control_plane = ControlPlaneRepository(session)
        self.erasures = ErasureRepository(session)
        self.has_told = False
        self.has_revoked = False

    async def tell(self, event_type: str, subject: UUID | str, data: BaseModel) -> None:
        """Write an event about the thing `subject` to the outbox, on this transaction."""
        self.has_told = True
        await add_to_outbox(self._session, OUTBOX, make_event(SCHEMA, event_type, str(subject), data))

    async def finish(self) -> None:
        """What must stand last in the transaction: its revocations."""
        position = await self.revocations.write()
        if position is not None:
            self.has_revoked = True
            await self.tell(REVOCATION_MADE, str(position), RevocationMade(position=position))


class Storage:
    """Opens transactions. Each is committed when its block ends well; then who waits for such is told of its events
    and its revocations.
    """

    def __init__(
        self, database: Database, events_written: Callable[[], None], revoked: Callable[[], None] = lambda: None
    ) -> None:
        self._database = database
        self._events_written = events_written
        self._revoked = revoked

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Work]:
        """One transaction."""
        async with self._database.transaction() as session:
            work = Work(session)
            yield work
            await work.finish()
        if work.has_told:
            self._events_written()
        if work.has_revoked:
            self._revoked()

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[Work]:
        """For queries alone, each its own transaction."""
        async with self._database.reading() as session:
            yield Work(session)
