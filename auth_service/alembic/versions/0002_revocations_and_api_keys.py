"""The revocation feed, API keys and token epochs.

Revision: 0002, after 0001.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Expand."""
    for table in ("users", "app_clients"):
        op.add_column(
            table, sa.Column("token_epoch", sa.Integer(), server_default="0", nullable=False), schema="identity"
        )
    op.create_table(
        "revocations",
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('subject', 'session', 'token')", name=op.f("ck_revocations_kind")),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_revocations")),
        schema="identity",
    )
    op.create_index(op.f("ix_revocations_expires_at"), "revocations", ["expires_at"], schema="identity")
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity.users.id"], name=op.f("fk_api_keys_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        schema="identity",
    )
    op.create_index(op.f("ix_api_keys_user_id"), "api_keys", ["user_id"], schema="identity")


def downgrade() -> None:
    """Take back."""
    op.drop_table("api_keys", schema="identity")
    op.drop_table("revocations", schema="identity")
    for table in ("users", "app_clients"):
        op.drop_column(table, "token_epoch", schema="identity")
