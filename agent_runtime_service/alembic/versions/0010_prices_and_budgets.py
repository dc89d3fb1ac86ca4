"""what models cost, budgets, and answers that are given again"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SCHEMA = "runtime"
_COST = sa.Numeric(30, 12)


def upgrade() -> None:
    for column in (
        sa.Column("agent_owner_id", sa.Text(), nullable=True),
        sa.Column("agent_name", sa.Text(), nullable=True),
        sa.Column("cost", _COST, nullable=True),
        sa.Column("cached_tokens", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("from_cache", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("timings", postgresql.JSONB(), nullable=True),
    ):
        op.add_column("model_calls", column, schema=SCHEMA)
    op.create_index("ix_model_calls_created_at", "model_calls", ["created_at"], schema=SCHEMA, postgresql_using="brin")
    op.create_table(
        "model_prices",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("input", sa.Numeric(15, 6), nullable=False),
        sa.Column("output", sa.Numeric(15, 6), nullable=False),
        sa.Column("cached_input", sa.Numeric(15, 6), nullable=True),
        sa.Column("updated_by", sa.Text(), nullable=False),
        _now("updated_at"),
        sa.PrimaryKeyConstraint("provider", "model", name=op.f("pk_model_prices")),
        schema=SCHEMA,
    )
    _make_budgets()
    op.create_table(
        "kept_answers",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        _now("created_at"),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "agent_id", "request_hash", name=op.f("pk_kept_answers")),
        schema=SCHEMA,
    )
    op.create_index("ix_kept_answers_expires_at", "kept_answers", ["expires_at"], schema=SCHEMA)


def _make_budgets() -> None:
    op.create_table(
        "budgets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("subject_name", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("max_cost", sa.Numeric(15, 6), nullable=True),
        sa.Column("max_tokens", sa.BigInteger(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        _now("created_at"),
        _now("updated_at"),
        sa.CheckConstraint("scope IN ('agent', 'user', 'organisation', 'platform')", name=op.f("ck_budgets_scope")),
        sa.CheckConstraint("period IN ('day', 'month', 'total')", name=op.f("ck_budgets_period")),
        sa.CheckConstraint("max_cost IS NOT NULL OR max_tokens IS NOT NULL", name=op.f("ck_budgets_bounded")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budgets")),
        sa.UniqueConstraint(
            "owner_id", "scope", "subject", "period", name=op.f("uq_budgets_owner_id_scope_subject_period")
        ),
        schema=SCHEMA,
    )
    op.create_table(
        "budget_windows",
        sa.Column("budget_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        *(
            column
            for name in ("spent", "held", "lost")
            for column in (
                sa.Column(f"{name}_cost", _COST, server_default=sa.text("0"), nullable=False),
                sa.Column(f"{name}_units", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
            )
        ),
        sa.Column("wanted_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("budget_id", "starts_at", name=op.f("pk_budget_windows")),
        schema=SCHEMA,
    )
    op.create_table(
        "budget_allotments",
        sa.Column("budget_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("front", sa.Uuid(), nullable=False),
        sa.Column("cost", _COST, nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("settled", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("budget_id", "starts_at", "front", name=op.f("pk_budget_allotments")),
        schema=SCHEMA,
    )
    op.create_index("ix_budget_allotments_expires_at", "budget_allotments", ["expires_at"], schema=SCHEMA)


def _now(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def downgrade() -> None:
    for table in ("kept_answers", "budget_allotments", "budget_windows", "budgets", "model_prices"):
        op.drop_table(table, schema=SCHEMA)
    op.drop_index("ix_model_calls_created_at", "model_calls", schema=SCHEMA, postgresql_using="brin")
    for column in ("timings", "from_cache", "cached_tokens", "cost", "agent_name", "agent_owner_id"):
        op.drop_column("model_calls", column, schema=SCHEMA)
