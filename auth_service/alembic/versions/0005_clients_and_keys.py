"""Applications with scopes, secrets that overlap and keys of their own; signing keys that change by themselves.

Revision: 0005, after 0004.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Expand."""
    _expand_clients()
    op.create_table(
        "app_client_secrets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["identity.app_clients.client_id"],
            name=op.f("fk_app_client_secrets_client_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_client_secrets")),
        schema="identity",
    )
    op.create_index(op.f("ix_app_client_secrets_client_id"), "app_client_secrets", ["client_id"], schema="identity")
    op.execute(
        "INSERT INTO identity.app_client_secrets (id, client_id, secret_hash, created_at)"
        " SELECT gen_random_uuid(), client_id, secret_hash, created_at FROM identity.app_clients WHERE kind = 'app'"
    )
    op.create_table(
        "client_assertions",
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("jti_hash", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("client_id", "jti_hash", name=op.f("pk_client_assertions")),
        schema="identity",
    )
    op.create_index(op.f("ix_client_assertions_expires_at"), "client_assertions", ["expires_at"], schema="identity")
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("public_key", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_by", sa.Text(), nullable=True),
        sa.Column("signs_from", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(sealed IS NULL) = (sealed_by IS NULL)", name=op.f("ck_signing_keys_sealed")),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_signing_keys")),
        schema="identity",
    )


def _expand_clients() -> None:
    op.add_column(
        "app_clients", sa.Column("scopes", sa.ARRAY(sa.Text()), server_default="{}", nullable=False), schema="identity"
    )
    op.add_column(
        "app_clients",
        sa.Column("may_exchange", sa.Boolean(), server_default="false", nullable=False),
        schema="identity",
    )
    op.add_column(
        "app_clients", sa.Column("jwks", postgresql.JSONB(astext_type=sa.Text()), nullable=True), schema="identity"
    )
    op.alter_column("app_clients", "secret_hash", nullable=True, schema="identity")


def downgrade() -> None:
    """Take back. A client of several secrets keeps its newest; one that has none can't come in."""
    op.drop_table("signing_keys", schema="identity")
    op.drop_table("client_assertions", schema="identity")
    op.execute(
        "UPDATE identity.app_clients c SET secret_hash = coalesce((SELECT s.secret_hash"
        " FROM identity.app_client_secrets s WHERE s.client_id = c.client_id AND s.expires_at IS NULL"
        " ORDER BY s.created_at DESC LIMIT 1), sha256(gen_random_uuid()::text::bytea)) WHERE kind = 'app'"
    )
    op.drop_table("app_client_secrets", schema="identity")
    op.alter_column("app_clients", "secret_hash", nullable=False, schema="identity")
    for column in ("jwks", "may_exchange", "scopes"):
        op.drop_column("app_clients", column, schema="identity")
