"""runs that wait for approvals"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SCHEMA = "runtime"
_CHECK = "ck_tool_calls_state"
_OPEN = sa.text("approval_id IS NOT NULL AND state IN ('waiting', 'dispatched')")


def upgrade() -> None:
    op.add_column("runs", sa.Column("waiting_since", sa.DateTime(timezone=True), nullable=True), schema=SCHEMA)
    op.add_column("runs", sa.Column("waited_s", sa.Float(), server_default="0", nullable=False), schema=SCHEMA)
    op.add_column("tool_calls", sa.Column("approval_id", sa.Uuid(), nullable=True), schema=SCHEMA)
    op.add_column(
        "tool_calls", sa.Column("approval_expires_at", sa.DateTime(timezone=True), nullable=True), schema=SCHEMA
    )
    _allow("'dispatched', 'waiting', 'completed', 'unknown', 'cancelled'")
    op.create_index(
        "ix_tool_calls_open_approvals", "tool_calls", ["approval_id"], schema=SCHEMA, postgresql_where=_OPEN
    )


def downgrade() -> None:
    op.drop_index("ix_tool_calls_open_approvals", table_name="tool_calls", schema=SCHEMA, postgresql_where=_OPEN)
    # What waits can't be told to the version before: it goes on, and its calls are sent again under their keys.
    op.execute(f"UPDATE {SCHEMA}.tool_calls SET state = 'dispatched' WHERE state = 'waiting'")
    op.execute(f"UPDATE {SCHEMA}.tool_calls SET state = 'unknown' WHERE state = 'cancelled'")
    op.execute(f"UPDATE {SCHEMA}.runs SET status = 'running' WHERE status = 'waiting_approval'")
    _allow("'dispatched', 'completed', 'unknown'")
    op.drop_column("tool_calls", "approval_expires_at", schema=SCHEMA)
    op.drop_column("tool_calls", "approval_id", schema=SCHEMA)
    op.drop_column("runs", "waited_s", schema=SCHEMA)
    op.drop_column("runs", "waiting_since", schema=SCHEMA)


def _allow(states: str) -> None:
    op.drop_constraint(op.f(_CHECK), "tool_calls", schema=SCHEMA, type_="check")
    op.create_check_constraint(op.f(_CHECK), "tool_calls", f"state IN ({states})", schema=SCHEMA)
