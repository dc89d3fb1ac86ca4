"""Email verification, password reset and sessions.

Revision: 0003, after 0002.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Expand."""
    op.add_column(
        "local_accounts", sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True), schema="identity"
    )
    op.create_table(
        "mail_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "kind IN ('registered', 'registered_again', 'verify', 'reset')", name=op.f("ck_mail_requests_kind")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_requests")),
        schema="identity",
    )
    op.create_index(op.f("ix_mail_requests_next_try_at"), "mail_requests", ["next_try_at"], schema="identity")
    op.create_table(
        "mailed_tokens",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("purpose IN ('verify', 'reset')", name=op.f("ck_mailed_tokens_purpose")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_mailed_tokens")),
        schema="identity",
    )
    op.create_index(op.f("ix_mailed_tokens_subject"), "mailed_tokens", ["subject"], schema="identity")
    op.create_index(op.f("ix_mailed_tokens_expires_at"), "mailed_tokens", ["expires_at"], schema="identity")


def downgrade() -> None:
    """Take back."""
    op.drop_table("mailed_tokens", schema="identity")
    op.drop_table("mail_requests", schema="identity")
    op.drop_column("local_accounts", "verified_at", schema="identity")
