"""The tables `approvals` and `approval_records`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Identity, Index, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from governance_service.metadata import Base

_LIVE = text("status IN ('pending', 'approved')")


class ApprovalRow(Base):
    """One question to a person: may this exact payload be carried out, once, until `expires_at`?

    The database lets nothing change but `status`, and what was decided by whom and when; see the migration.
    `principal` is the subject of who asked, `owner_id` whose it is, `payload` masked.
    """

    __tablename__ = "approvals"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    principal: Mapped[str] = mapped_column(Text)
    agent_id: Mapped[UUID | None]
    agent_name: Mapped[str | None] = mapped_column(Text)
    run_id: Mapped[UUID | None]
    conversation_id: Mapped[UUID | None]
    action: Mapped[str] = mapped_column(Text)
    payload_hash: Mapped[str] = mapped_column(Text)
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    summary: Mapped[str] = mapped_column(Text)
    request_key: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)
    decided_by: Mapped[str | None] = mapped_column(Text)
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        CheckConstraint(
            "status IN ('pending', 'approved', 'rejected', 'expired', 'consumed', 'cancelled')", name="status"
        ),
        CheckConstraint("status NOT IN ('approved', 'consumed') OR decided_by IS NOT NULL", name="decided_by"),
        Index("uq_approvals_owner_id_request_key", "owner_id", "request_key", unique=True),
        Index("ix_approvals_owner_id_id", "owner_id", "id"),
        Index("ix_approvals_live_expires_at", "expires_at", postgresql_where=_LIVE),
        Index("ix_approvals_live_run_id", "run_id", postgresql_where=_LIVE),
    )


class ApprovalRecordRow(Base):
    """Something that happened to an approval, for good: the database refuses to change or delete it.

    `what` is a move's name (`states.py`), `asked` or `refused`; `who` a person's subject or a service's name.
    """

    __tablename__ = "approval_records"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    approval_id: Mapped[UUID] = mapped_column(ForeignKey(ApprovalRow.id, name="fk_approval_records_approval_id"))
    what: Mapped[str] = mapped_column(Text)
    who: Mapped[str] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (Index("ix_approval_records_approval_id_id", "approval_id", "id"),)
