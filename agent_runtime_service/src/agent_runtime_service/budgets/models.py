"""The tables `budgets`, `budget_windows` and `budget_allotments`."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Index, Numeric, Text, UniqueConstraint, false, func, text
from sqlalchemy.orm import Mapped, mapped_column

from agent_runtime_service.metadata import Base


class BudgetRow(Base):
    """One budget. `owner_id` is who may change it: a person, an organisation, or `platform` for administrators."""

    __tablename__ = "budgets"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    scope: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    subject_name: Mapped[str] = mapped_column(Text)
    period: Mapped[str] = mapped_column(Text)
    max_cost: Mapped[Decimal | None] = mapped_column(Numeric(15, 6))
    max_tokens: Mapped[int | None] = mapped_column(BigInteger)
    created_by: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (
        UniqueConstraint("owner_id", "scope", "subject", "period"),
        CheckConstraint("scope IN ('agent', 'user', 'organisation', 'platform')", name="scope"),
        CheckConstraint("period IN ('day', 'month', 'total')", name="period"),
        CheckConstraint("max_cost IS NOT NULL OR max_tokens IS NOT NULL", name="bounded"),
    )


class BudgetWindowRow(Base):
    """What of a budget is spent in one window, and what fronts hold of it.

    `lost` is the part of `spent` that fronts held which died: nobody knows whether they spent it. Units are tokens, or
    messages. A budget may be one of the table, or one of an agent's definition.
    """

    __tablename__ = "budget_windows"

    budget_id: Mapped[UUID] = mapped_column(primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    ends_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    spent_cost: Mapped[Decimal] = mapped_column(Numeric(30, 12), server_default=text("0"))
    spent_units: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    held_cost: Mapped[Decimal] = mapped_column(Numeric(30, 12), server_default=text("0"))
    held_units: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    lost_cost: Mapped[Decimal] = mapped_column(Numeric(30, 12), server_default=text("0"))
    lost_units: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    wanted_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class BudgetAllotmentRow(Base):
    """What one front holds of a budget's window: set aside for its calls, spent and not settled yet, or idle.

    `front` is its purse's id. `settled` counts its settlements, so that one which was written although nobody heard of
    it isn't written twice. `written_off`: it was taken for dead, and all of this counts as spent unless it comes back.
    """

    __tablename__ = "budget_allotments"

    budget_id: Mapped[UUID] = mapped_column(primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    front: Mapped[UUID] = mapped_column(primary_key=True)
    cost: Mapped[Decimal] = mapped_column(Numeric(30, 12))
    units: Mapped[int] = mapped_column(BigInteger)
    settled: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    written_off: Mapped[bool] = mapped_column(server_default=false())

    __table_args__ = (Index("ix_budget_allotments_expires_at", "expires_at"),)
