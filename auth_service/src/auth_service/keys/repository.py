"""SQL of signing keys."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, literal, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from auth_service.keys.models import AttestationKeyRow, SigningKeyRow

# Replicas that find a key due at the same moment make one.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('identity.signing_keys'))")


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A signing key. `signs_in_s`: seconds until it signs by the database's clock, negative where it does."""

    kid: str
    public_key: Mapping[str, str]
    sealed: bytes | None
    sealed_by: str | None
    signs_in_s: float


class SigningKeyRepository:
    """Signing keys within one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def lock(self) -> None:
        """Let nobody else change signing keys until the transaction ends."""
        await self._session.execute(_LOCK)

    async def all(self) -> list[StoredKey]:
        """Every key, the one that signs last first."""
        row = SigningKeyRow
        left = func.extract("epoch", row.signs_from - func.clock_timestamp())
        wanted = select(row.kid, row.public_key, row.sealed, row.sealed_by, left).order_by(
            row.signs_from.desc(), row.kid
        )
        return [
            StoredKey(kid, public_key, sealed, sealed_by, float(in_s))
            for kid, public_key, sealed, sealed_by, in_s in await self._session.execute(wanted)
        ]

    async def add(
        self,
        public_key: Mapping[str, str],
        *,
        signs_in_s: float,
        sealed: bytes | None = None,
        sealed_by: str | None = None,
    ) -> None:
        """Store a key; nothing changes for one that is known."""
        row = {
            "kid": public_key["kid"],
            "public_key": dict(public_key),
            "sealed": sealed,
            "sealed_by": sealed_by,
            "signs_from": func.clock_timestamp() + timedelta(seconds=signs_in_s),
        }
        await self._session.execute(insert(SigningKeyRow).values(row).on_conflict_do_nothing())

    async def delete(self, kids: Sequence[str]) -> None:
        """Delete keys."""
        await self._session.execute(delete(SigningKeyRow).where(SigningKeyRow.kid.in_(kids)))

    async def keep_for_attestations(self, kid: str, until: datetime) -> bool:
        """Have the key published until then, also when it signs no more; False where it is gone already."""
        row, kept = SigningKeyRow, AttestationKeyRow
        found = select(
            row.kid, row.public_key, func.coalesce(row.sealed_by, row.kid), literal(until, type_=kept.needed_until.type)
        ).where(row.kid == kid)
        statement = insert(kept).from_select(["kid", "public_key", "trusted_by", "needed_until"], found)
        later = func.greatest(kept.needed_until, statement.excluded.needed_until)
        statement = statement.on_conflict_do_update(index_elements=[kept.kid], set_={"needed_until": later})
        return await self._session.scalar(statement.returning(kept.kid)) is not None

    async def of_attestations(self, trusted_by: Collection[str]) -> list[Mapping[str, str]]:
        """The public keys of attestations that have not ended, of those whom the key file trusts."""
        kept = AttestationKeyRow
        wanted = select(kept.public_key).where(kept.trusted_by.in_(trusted_by), kept.needed_until > func.now())
        return list(await self._session.scalars(wanted.order_by(kept.kid)))

    async def delete_ended(self) -> None:
        """Forget the keys whose last attestation has ended."""
        await self._session.execute(delete(AttestationKeyRow).where(AttestationKeyRow.needed_until < func.now()))
