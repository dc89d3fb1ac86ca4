"""Counters of attempts, shared by the replicas.

Revision: 0009, after 0008.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Expand."""
    op.create_table(
        "limits",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("full_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_limits")),
        schema="identity",
        prefixes=["UNLOGGED"],
    )
    op.create_index(op.f("ix_limits_full_at"), "limits", ["full_at"], schema="identity")


def downgrade() -> None:
    """Take back."""
    op.drop_table("limits", schema="identity")
