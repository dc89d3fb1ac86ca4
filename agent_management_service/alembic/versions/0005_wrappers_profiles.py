"""wrappers, profiles, attestations"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SCHEMA = "agents"
NOW = sa.text("now()")


def named_table(name: str, *items: sa.Column | sa.Constraint) -> None:
    """A table of things with an owner and a name."""
    op.create_table(
        name,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        *items,
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
        sa.UniqueConstraint("owner_id", "name", name=f"uq_{name}_owner_id_name"),
        schema=SCHEMA,
    )
    op.create_index(f"ix_{name}_owner_id_created_at", name, ["owner_id", "created_at", "id"], schema=SCHEMA)


def upgrade() -> None:
    named_table(
        "wrappers",
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("supported_providers", postgresql.JSONB(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("configuration", postgresql.JSONB(), nullable=False),
        sa.Column("deployed_agent_id", sa.Uuid(), nullable=True),
        sa.Column("deployed_version", sa.Text(), nullable=True),
        sa.Column("deployed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], [f"{SCHEMA}.agents.id"], name="fk_wrappers_agent_id"),
        sa.ForeignKeyConstraint(["deployed_agent_id"], [f"{SCHEMA}.agents.id"], name="fk_wrappers_deployed_agent_id"),
    )
    named_table(
        "profiles",
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("capabilities", postgresql.JSONB(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], [f"{SCHEMA}.agents.id"], name="fk_profiles_agent_id"),
    )
    op.create_index("ix_profiles_agent_id", "profiles", ["agent_id"], schema=SCHEMA)
    op.create_table(
        "attestations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("profile_id", sa.Uuid(), nullable=False),
        sa.Column("attester", postgresql.JSONB(), nullable=False),
        sa.Column("agent", postgresql.JSONB(), nullable=False),
        sa.Column("claims", postgresql.JSONB(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("jws", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_by", sa.Text(), nullable=True),
        sa.Column("revocation_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_attestations"),
        sa.ForeignKeyConstraint(
            ["profile_id"], [f"{SCHEMA}.profiles.id"], name="fk_attestations_profile_id", ondelete="CASCADE"
        ),
        schema=SCHEMA,
    )
    op.create_index("ix_attestations_profile_id", "attestations", ["profile_id", "id"], schema=SCHEMA)


def downgrade() -> None:
    for table in ("attestations", "profiles", "wrappers"):
        op.drop_table(table, schema=SCHEMA)
