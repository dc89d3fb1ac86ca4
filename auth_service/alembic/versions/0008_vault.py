"""Credentials under envelope encryption.

Revision: 0008, after 0007.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Expand."""
    op.create_table(
        "credentials",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("base_url", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credentials")),
        sa.UniqueConstraint("owner_id", "name", name=op.f("uq_credentials_owner_id_name")),
        schema="identity",
    )
    op.create_index("ix_credentials_owner_id_id", "credentials", ["owner_id", "id"], unique=False, schema="identity")
    op.create_index("ix_credentials_key_id_id", "credentials", ["key_id", "id"], unique=False, schema="identity")
    op.create_table(
        "credential_uses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("credential_id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("used_by", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credential_uses")),
        schema="identity",
    )
    op.create_index(
        "ix_credential_uses_credential_id_id",
        "credential_uses",
        ["credential_id", "id"],
        unique=False,
        schema="identity",
    )
    op.create_table(
        "vault_keys",
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("made_current_by", sa.Text(), nullable=False),
        sa.Column("current_since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_vault_keys")),
        schema="identity",
    )
    op.create_table(
        "platform_connections",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("credential_id", sa.Uuid(), nullable=False),
        sa.Column("posting_identity", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["credential_id"],
            ["identity.credentials.id"],
            name=op.f("fk_platform_connections_credential_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("owner_id", "platform", name=op.f("pk_platform_connections")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_platform_connections_credential_id")),
        schema="identity",
    )
    op.create_table(
        "exchange_setups",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("exchange_provider", sa.Text(), nullable=False),
        sa.Column("credential_id", sa.Uuid(), nullable=True),
        sa.Column("default_coin", sa.Text(), nullable=False),
        sa.Column("allowed_coins", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("max_units_per_order", sa.Numeric(38, 18), nullable=False),
        sa.Column("max_notional_inr", sa.Numeric(38, 2), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["credential_id"],
            ["identity.credentials.id"],
            name=op.f("fk_exchange_setups_credential_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exchange_setups")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_exchange_setups_credential_id")),
        sa.UniqueConstraint("owner_id", "exchange_provider", name=op.f("uq_exchange_setups_owner_id_exchange_provider")),
        schema="identity",
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("exchange_setups", schema="identity")
    op.drop_table("platform_connections", schema="identity")
    op.drop_table("vault_keys", schema="identity")
    op.drop_index("ix_credential_uses_credential_id_id", table_name="credential_uses", schema="identity")
    op.drop_table("credential_uses", schema="identity")
    op.drop_index("ix_credentials_key_id_id", table_name="credentials", schema="identity")
    op.drop_index("ix_credentials_owner_id_id", table_name="credentials", schema="identity")
    op.drop_table("credentials", schema="identity")
