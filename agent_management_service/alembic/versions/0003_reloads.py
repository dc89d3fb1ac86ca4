"""reloads"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCHEMA = "agents"


def upgrade() -> None:
    op.create_table(
        "reloads",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("version_before", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("changes", postgresql.JSONB(), nullable=False),
        sa.Column("errors", postgresql.JSONB(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("agent_id", name="pk_reloads"),
        sa.ForeignKeyConstraint(["agent_id"], [f"{SCHEMA}.agents.id"], name="fk_reloads_agent_id"),
        sa.CheckConstraint("state IN ('reloaded', 'unchanged', 'refused')", name="ck_reloads_state"),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("reloads", schema=SCHEMA)
