"""The identity provider of the embedded default: accounts in this service's own schema, argon2id."""

from auth_service.people.identity_provider import Identity
from auth_service.people.password_hasher import PasswordHasher
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


def _identity(account: AccountRecord) -> Identity:
    return Identity(str(account.id), account.email, account.name)
