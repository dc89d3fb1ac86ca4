"""when agents were last talked to"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

SCHEMA = "runtime"


def upgrade() -> None:
    op.create_table(
        "agent_activity",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("last_run_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("agent_id", name=op.f("pk_agent_activity")),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("agent_activity", schema=SCHEMA)
