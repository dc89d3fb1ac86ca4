"""People who are erased, and what is done of it by each service.

Revision: 0011, after 0010.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Expand."""
    op.create_table(
        "erasures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
        schema="identity",
    )
    op.create_table(
        "erasure_parts",
        sa.Column("erasure_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("rounds_left", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("waits_for", sa.Text(), nullable=True),
        sa.Column("next_try_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["erasure_id"], ["identity.erasures.id"], name=op.f("fk_erasure_parts_erasure_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("erasure_id", "subject", "service", name=op.f("pk_erasure_parts")),
        schema="identity",
    )
    op.create_index(
        "ix_erasure_parts_due",
        "erasure_parts",
        ["next_try_at"],
        schema="identity",
        postgresql_where=sa.text("rounds_left > 0"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("erasure_parts", schema="identity")
    op.drop_table("erasures", schema="identity")
