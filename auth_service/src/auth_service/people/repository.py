"""SQL of the local identity provider. Each call is a transaction: the provider stands for a system of its own."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from auth_service.people.models import LocalAccount
from kgents_shared.db import Database, new_id


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """A local account."""

    id: UUID
    email: str
    name: str
    password_hash: str


class LocalAccounts:
    """The accounts of the local provider."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, email: str, name: str, password_hash: str) -> tuple[AccountRecord, bool]:
        """The account of `email`, and whether it is new. One that was there stays as it is.

        Known or new, one row is written, so that time tells nothing.
        """
        made = new_id()
        statement = (
            insert(LocalAccount)
            .values(id=made, email=email, name=name, password_hash=password_hash)
            .on_conflict_do_update(index_elements=[LocalAccount.email], set_={"email": LocalAccount.email})
            .returning(LocalAccount.id, LocalAccount.email, LocalAccount.name, LocalAccount.password_hash)
        )
        async with self._database.transaction() as session:
            record = AccountRecord(*(await session.execute(statement)).one())
        return record, record.id == made

    async def find(self, email: str) -> AccountRecord | None:
        """The account of `email`."""
        wanted = select(LocalAccount.id, LocalAccount.email, LocalAccount.name, LocalAccount.password_hash).where(
            LocalAccount.email == email
        )
        async with self._database.transaction() as session:
            row = (await session.execute(wanted)).one_or_none()
        return None if row is None else AccountRecord(*row)

    async def replace_hash(self, account_id: UUID, old: str, new: str) -> None:
        """Put another hash of the same password, unless the password was changed meanwhile."""
        statement = (
            update(LocalAccount)
            .where(LocalAccount.id == account_id, LocalAccount.password_hash == old)
            .values(password_hash=new)
        )
        async with self._database.transaction() as session:
            await session.execute(statement)

    async def set_hash(self, account_id: UUID, password_hash: str) -> None:
        """Put the hash of another password."""
        changed = {"password_hash": password_hash, "password_changed_at": func.now()}
        async with self._database.transaction() as session:
            await session.execute(update(LocalAccount).where(LocalAccount.id == account_id).values(changed))

    async def remove(self, account_id: UUID) -> None:
        """Delete an account, if there is one."""
        async with self._database.transaction() as session:
            await session.execute(delete(LocalAccount).where(LocalAccount.id == account_id))

    async def exists(self, account_id: UUID) -> bool:
        """Whether there is such an account."""
        wanted = select(LocalAccount.id).where(LocalAccount.id == account_id)
        async with self._database.transaction() as session:
            return await session.scalar(wanted) is not None

    async def is_verified(self, account_id: UUID) -> bool:
        """Whether the account's address was shown to be its person's."""
        wanted = select(LocalAccount.verified_at.is_not(None)).where(LocalAccount.id == account_id)
        async with self._database.transaction() as session:
            return bool(await session.scalar(wanted))

    async def mark_verified(self, account_id: UUID) -> None:
        """The address was shown to be its person's; the first time stays."""
        unverified = update(LocalAccount).where(LocalAccount.id == account_id, LocalAccount.verified_at.is_(None))
        async with self._database.transaction() as session:
            await session.execute(unverified.values(verified_at=func.now()))
