"""The identity provider of the embedded default: accounts in this service's own schema, argon2id."""

from uuid import UUID

from auth_service.people.identity_provider import Identity
from auth_service.people.password_hasher import PasswordHasher, is_known_hash
from auth_service.people.repository import AccountRecord, LocalAccounts
from kgents_shared.errors import FaultItem


class LocalIdentityProvider:
    """An `IdentityProvider` over the table `local_accounts`."""

    name = "local"
    shuts_out = False

    def __init__(self, accounts: LocalAccounts, hasher: PasswordHasher) -> None:
        self._accounts = accounts
        self._hasher = hasher

    def password_fault(self, password: str, field: str) -> FaultItem | None:
        """See `IdentityProvider.password_fault`: argon2id reads all of whatever comes."""
        del password, field
        return None

    async def register(self, email: str, password: str, name: str) -> tuple[Identity, bool]:
        """See `IdentityProvider.register`."""
        account, is_new = await self._accounts.add(email, name, await self._hasher.hash(password))
        return _identity(account), is_new

    async def authenticate(self, email: str, password: str) -> Identity | None:
        """See `IdentityProvider.authenticate`. A hash of yesterday's cost is replaced by one of today's."""
        account = await self._accounts.find(email)
        checked = await self._hasher.check(password, None if account is None else account.password_hash)
        if account is None or not checked.right:
            return None
        if checked.better_hash is not None:
            await self._accounts.replace_hash(account.id, account.password_hash, checked.better_hash)
        return _identity(account)

    async def set_password(self, subject: str, password: str) -> None:
        """See `IdentityProvider.set_password`."""
        await self._accounts.set_hash(UUID(subject), await self._hasher.hash(password))

    async def find(self, email: str) -> Identity | None:
        """See `IdentityProvider.find`."""
        account = await self._accounts.find(email)
        return None if account is None else _identity(account)

    async def is_verified(self, subject: str) -> bool:
        """See `IdentityProvider.is_verified`."""
        return await self._accounts.is_verified(UUID(subject))

    async def mark_verified(self, identity: Identity) -> None:
        """See `IdentityProvider.mark_verified`. Addresses of accounts here don't change."""
        await self._accounts.mark_verified(UUID(identity.subject))

    async def remove(self, subject: str) -> None:
        """See `IdentityProvider.remove`."""
        await self._accounts.remove(UUID(subject))

    async def lets_in(self, subject: str) -> bool:
        """See `IdentityProvider.lets_in`: until the account is gone; who is disabled is so in `users`."""
        return await self._accounts.exists(UUID(subject))

    async def create(self, email: str, password: str, name: str) -> tuple[Identity, bool]:
        """See `IdentityProvider.create`."""
        return await self._add_verified(email, name, await self._hasher.hash(password))

    async def take_over(self, email: str, name: str, password_hash: str) -> tuple[Identity, bool]:
        """See `IdentityProvider.take_over`. At their first login a bcrypt hash becomes one of ours."""
        if not is_known_hash(password_hash):
            raise ValueError("is neither a bcrypt nor an argon2id hash")
        return await self._add_verified(email, name, password_hash)

    async def _add_verified(self, email: str, name: str, password_hash: str) -> tuple[Identity, bool]:
        account, is_new = await self._accounts.add(email, name, password_hash)
        if is_new:
            await self._accounts.mark_verified(account.id)
        return _identity(account), is_new


def _identity(account: AccountRecord) -> Identity:
    return Identity(str(account.id), account.email, account.name)
