"""flows"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SCHEMA = "agents"


def upgrade() -> None:
    op.create_table(
        "flows",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("document", postgresql.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("agent_id", "hash", name="pk_flows"),
        sa.ForeignKeyConstraint(["agent_id"], [f"{SCHEMA}.agents.id"], name="fk_flows_agent_id"),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("flows", schema=SCHEMA)
