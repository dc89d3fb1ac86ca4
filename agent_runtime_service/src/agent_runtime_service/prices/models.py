"""The table `model_prices`."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import DateTime, Numeric, Text, func
from sqlalchemy.orm import Mapped, mapped_column

from agent_runtime_service.metadata import Base


class ModelPriceRow(Base):
    """What an administrator says that a million tokens of a model cost; the model `*` is every other one."""

    __tablename__ = "model_prices"

    provider: Mapped[str] = mapped_column(Text, primary_key=True)
    model: Mapped[str] = mapped_column(Text, primary_key=True)
    input: Mapped[Decimal] = mapped_column(Numeric(15, 6))
    output: Mapped[Decimal] = mapped_column(Numeric(15, 6))
    cached_input: Mapped[Decimal | None] = mapped_column(Numeric(15, 6))
    updated_by: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
