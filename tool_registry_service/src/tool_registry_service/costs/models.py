"""The table of costs."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, DateTime, Numeric, Text
from sqlalchemy.orm import Mapped, mapped_column

from tool_registry_service.database import Base


class ToolCost(Base):
    """What one call of the owner's tool of that name costs; a builtin one has a cost for each owner who says so."""

    __tablename__ = "tool_costs"
    __table_args__ = (CheckConstraint("amount >= 0", name="not_negative"),)

    owner_id: Mapped[str] = mapped_column(Text, primary_key=True)
    tool: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    amount: Mapped[Decimal] = mapped_column(Numeric(18, 6))
    currency: Mapped[str] = mapped_column(Text)
    updated_by: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
