"""Counters of attempts, shared by the replicas.

Revision: 0009, after 0008.
"""

from collections.abc import Sequence

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Expand."""


def downgrade() -> None:
    """Take back."""
