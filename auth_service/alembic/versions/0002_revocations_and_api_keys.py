"""The revocation feed, API keys and token epochs.

Revision: 0002, after 0001.
"""

from collections.abc import Sequence

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Expand."""


def downgrade() -> None:
    """Take back."""
