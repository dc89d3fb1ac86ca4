"""The tables `model_calls`, `kept_answers` and `provider_paces`."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Index, LargeBinary, Numeric, Text, false, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from agent_runtime_service.metadata import Base


class ModelCallRow(Base):
    """One call of a model: whose, which, how many tokens (`estimated` where the provider didn't say), how long.

    It is a run's, or has a `purpose` of its own. `owner_id` is whose run it was, `agent_owner_id` whose agent.
    `cached_tokens` are those of the prompt that the provider had in its cache; `cost` is null where the model's price
    is not known. `from_cache`: the answer was a kept one, and no model was asked. `timings` are a local model's own.

    Of a run's, `step` counts the steps that were stored before it under the lease's `epoch`, and `first_ms` is when its
    answer began; `prompt` with `prompt_head` and `prompt_tail` bytes of the one before it in its conversation,
    `prompt_of`, is what was sent (`traces.prompts`).
    """

    __tablename__ = "model_calls"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    run_id: Mapped[UUID | None]
    owner_id: Mapped[str] = mapped_column(Text)
    agent_id: Mapped[UUID | None]
    agent_owner_id: Mapped[str | None] = mapped_column(Text)
    agent_name: Mapped[str | None] = mapped_column(Text)
    purpose: Mapped[str | None] = mapped_column(Text)
    provider: Mapped[str] = mapped_column(Text)
    model: Mapped[str] = mapped_column(Text)
    prompt_tokens: Mapped[int]
    completion_tokens: Mapped[int]
    cached_tokens: Mapped[int] = mapped_column(server_default=text("0"))
    estimated: Mapped[bool]
    cost: Mapped[Decimal | None] = mapped_column(Numeric(30, 12))
    from_cache: Mapped[bool] = mapped_column(server_default=false())
    timings: Mapped[Any | None] = mapped_column(JSONB)
    tries: Mapped[int]
    duration_ms: Mapped[int]
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    step: Mapped[int | None]
    epoch: Mapped[int | None] = mapped_column(BigInteger)
    first_ms: Mapped[int | None]
    prompt: Mapped[bytes | None] = mapped_column(LargeBinary)
    prompt_of: Mapped[UUID | None]
    prompt_head: Mapped[int | None]
    prompt_tail: Mapped[int | None]

    __table_args__ = (
        Index("ix_model_calls_run_id", "run_id"),
        # Sums are over stretches of time; a tree would be felt by every call.
        Index("ix_model_calls_created_at", "created_at", postgresql_using="brin"),
    )


class KeptAnswerRow(Base):
    """An answer of a model that is given again to the same request of the same owner's run of an agent."""

    __tablename__ = "kept_answers"

    owner_id: Mapped[str] = mapped_column(Text, primary_key=True)
    agent_id: Mapped[UUID] = mapped_column(primary_key=True)
    request_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    content_type: Mapped[str] = mapped_column(Text)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    __table_args__ = (Index("ix_kept_answers_expires_at", "expires_at"),)


class ProviderPaceRow(Base):
    """The line before an account at a provider that has a limit: until when its places are taken, on all fronts."""

    __tablename__ = "provider_paces"

    line: Mapped[str] = mapped_column(Text, primary_key=True)
    due: Mapped[datetime] = mapped_column(DateTime(timezone=True))
