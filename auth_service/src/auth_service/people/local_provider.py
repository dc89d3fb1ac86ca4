"""The identity provider of the embedded default: accounts in this service's own schema, argon2id."""

from uuid import UUID

from auth_service.people.identity_provider import Identity
from auth_service.people.password_hasher import PasswordHasher, is_bcrypt
from auth_service.people.repository import AccountRecord, LocalAccounts


class LocalIdentityProvider:
    """An `IdentityProvider` over the table `local_accounts`."""

    name = "local"

    def __init__(self, accounts: LocalAccounts, hasher: PasswordHasher) -> None:
        self._accounts = accounts
        self._hasher = hasher

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

    async def mark_verified(self, subject: str) -> None:
        """See `IdentityProvider.mark_verified`."""
        await self._accounts.mark_verified(UUID(subject))

    async def take_over(self, email: str, name: str, password_hash: str) -> tuple[Identity, bool]:
        """The account of somebody who comes from another system with their bcrypt or argon2id hash, and whether it is
        new. At their first login a bcrypt hash becomes one of ours. Raises ValueError for a hash of another kind.
        """
        if not is_bcrypt(password_hash) and not password_hash.startswith("$argon2id$"):
            raise ValueError("is neither a bcrypt nor an argon2id hash")
        account, is_new = await self._accounts.add(email, name, password_hash)
        return _identity(account), is_new


def _identity(account: AccountRecord) -> Identity:
    return Identity(str(account.id), account.email, account.name)
