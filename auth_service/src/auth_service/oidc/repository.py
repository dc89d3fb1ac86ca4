"""SQL of logins that went to an issuer."""

from datetime import timedelta

from sqlalchemy import delete, func, insert
from sqlalchemy.ext.asyncio import AsyncSession

from auth_service.oidc.models import OidcAttempt
from kgents_shared.db import new_id


class OidcAttemptRepository:
    """Logins on their way, within one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, issuer_name: str, state_hash: bytes, browser_hash: bytes, *, lifetime_s: int) -> None:
        """A login begins."""
        row = {"id": new_id(), "issuer_name": issuer_name, "state_hash": state_hash, "browser_hash": browser_hash}
        expires_at = func.now() + timedelta(seconds=lifetime_s)
        await self._session.execute(insert(OidcAttempt).values(**row, expires_at=expires_at))

    async def use(self, issuer_name: str, state_hash: bytes, browser_hash: bytes) -> bool:
        """Whether that browser began that login at that issuer, and not too long ago. It ends with this.

        What another browser shows changes nothing: the one that began may still come back.
        """
        used = (
            delete(OidcAttempt)
            .where(
                OidcAttempt.state_hash == state_hash,
                OidcAttempt.browser_hash == browser_hash,
                OidcAttempt.issuer_name == issuer_name,
            )
            .returning(OidcAttempt.expires_at > func.now())
        )
        return bool(await self._session.scalar(used))

    async def delete_expired(self) -> None:
        """Delete those that never came back."""
        await self._session.execute(delete(OidcAttempt).where(OidcAttempt.expires_at < func.now()))
