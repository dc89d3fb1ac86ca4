"""what calls of tools cost"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tool_costs",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("tool", sa.Text(collation="C"), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_tool_costs_not_negative")),
        sa.PrimaryKeyConstraint("owner_id", "tool", name=op.f("pk_tool_costs")),
        schema="tools",
    )


def downgrade() -> None:
    op.drop_table("tool_costs", schema="tools")
