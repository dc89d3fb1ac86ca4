"""The schema identity: people, roles, clients, refresh tokens, the outbox.

Revision: 0001, the first.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Expand."""
    op.create_table(
        "local_accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("password_changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_local_accounts")),
        sa.UniqueConstraint("email", name=op.f("uq_local_accounts_email")),
        schema="identity",
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        schema="identity",
    )
    op.create_table(
        "permissions",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_permissions")),
        schema="identity",
    )
    op.create_table(
        "roles",
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_roles")),
        schema="identity",
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("identity_provider", sa.Text(), nullable=False),
        sa.Column("provider_subject", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint(
            "identity_provider", "provider_subject", name=op.f("uq_users_identity_provider_provider_subject")
        ),
        schema="identity",
    )
    op.create_index("ix_users_email", "users", ["email"], unique=False, schema="identity")
    op.create_table(
        "app_clients",
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(kind = 'app') = (owner_id IS NOT NULL)", name=op.f("ck_app_clients_owner")),
        sa.CheckConstraint("kind IN ('service', 'app')", name=op.f("ck_app_clients_kind")),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["identity.users.id"], name=op.f("fk_app_clients_owner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_app_clients")),
        schema="identity",
    )
    op.create_index(op.f("ix_app_clients_owner_id"), "app_clients", ["owner_id"], unique=False, schema="identity")
    op.create_table(
        "refresh_tokens",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=True),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["family_id"], ["identity.refresh_tokens.id"], name=op.f("fk_refresh_tokens_family_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["identity.refresh_tokens.id"], name=op.f("fk_refresh_tokens_parent_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity.users.id"], name=op.f("fk_refresh_tokens_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refresh_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_refresh_tokens_token_hash")),
        schema="identity",
    )
    op.create_index("ix_refresh_tokens_family_id", "refresh_tokens", ["family_id"], unique=False, schema="identity")
    op.create_index("ix_refresh_tokens_parent_id", "refresh_tokens", ["parent_id"], unique=False, schema="identity")
    op.create_index("ix_refresh_tokens_user_id", "refresh_tokens", ["user_id"], unique=False, schema="identity")
    op.create_table(
        "role_permissions",
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["role"], ["identity.roles.name"], name=op.f("fk_role_permissions_role"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["scope"], ["identity.permissions.scope"], name=op.f("fk_role_permissions_scope"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("role", "scope", name=op.f("pk_role_permissions")),
        schema="identity",
    )
    op.create_table(
        "user_roles",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["role"], ["identity.roles.name"], name=op.f("fk_user_roles_role"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity.users.id"], name=op.f("fk_user_roles_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "role", name=op.f("pk_user_roles")),
        schema="identity",
    )
    op.create_table(
        "app_client_roles",
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["identity.app_clients.client_id"],
            name=op.f("fk_app_client_roles_client_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["role"], ["identity.roles.name"], name=op.f("fk_app_client_roles_role"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("client_id", "role", name=op.f("pk_app_client_roles")),
        schema="identity",
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("app_client_roles", schema="identity")
    op.drop_table("user_roles", schema="identity")
    op.drop_table("role_permissions", schema="identity")
    op.drop_index("ix_refresh_tokens_user_id", table_name="refresh_tokens", schema="identity")
    op.drop_index("ix_refresh_tokens_parent_id", table_name="refresh_tokens", schema="identity")
    op.drop_index("ix_refresh_tokens_family_id", table_name="refresh_tokens", schema="identity")
    op.drop_table("refresh_tokens", schema="identity")
    op.drop_index(op.f("ix_app_clients_owner_id"), table_name="app_clients", schema="identity")
    op.drop_table("app_clients", schema="identity")
    op.drop_index("ix_users_email", table_name="users", schema="identity")
    op.drop_table("users", schema="identity")
    op.drop_table("roles", schema="identity")
    op.drop_table("permissions", schema="identity")
    op.drop_table("outbox", schema="identity")
    op.drop_table("local_accounts", schema="identity")
