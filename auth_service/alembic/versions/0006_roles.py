"""Roles and permissions that administrators make.

Revision: 0006, after 0005.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Expand."""
    op.add_column("roles", sa.Column("description", sa.Text(), server_default="", nullable=False), schema="identity")


def downgrade() -> None:
    """Take back."""
    op.drop_column("roles", "description", schema="identity")
