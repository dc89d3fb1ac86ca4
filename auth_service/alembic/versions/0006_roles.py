"""Roles and permissions that administrators make.

Revision: 0006, after 0005.
"""

from collections.abc import Sequence

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Expand."""


def downgrade() -> None:
    """Take back."""
