"""The table of logins that went to an issuer and have not come back."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from auth_service.schema import Base


class OidcAttempt(Base):
    """A login on its way. Hashes alone: what opens it is in the browser's cookie and at the issuer."""

    __tablename__ = "oidc_attempts"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    state_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    browser_hash: Mapped[bytes] = mapped_column(LargeBinary)
    issuer_name: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
