"""Keys that signed attestations, published for as long as one of those stands.

Revision: 0010, after 0009.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Expand."""
    op.create_table(
        "attestation_keys",
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("public_key", postgresql.JSONB(), nullable=False),
        sa.Column("trusted_by", sa.Text(), nullable=False),
        sa.Column("needed_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_attestation_keys")),
        schema="identity",
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("attestation_keys", schema="identity")
