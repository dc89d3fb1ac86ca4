"""calls that wait for another agent's run"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

SCHEMA = "runtime"


def upgrade() -> None:
    op.add_column("tool_calls", sa.Column("awaited_run_id", sa.Uuid(), nullable=True), schema=SCHEMA)
    op.create_index(
        "ix_tool_calls_awaited_runs",
        "tool_calls",
        ["awaited_run_id"],
        schema=SCHEMA,
        postgresql_where=sa.text("awaited_run_id IS NOT NULL AND state IN ('waiting', 'dispatched')"),
    )


def downgrade() -> None:
    op.drop_index("ix_tool_calls_awaited_runs", table_name="tool_calls", schema=SCHEMA)
    op.drop_column("tool_calls", "awaited_run_id", schema=SCHEMA)
