"""ghosts, models, shells, bots, teams"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SCHEMA = "agents"
NOW = sa.text("now()")
PARTS = ("ghost", "model", "shell")


def kind_table(name: str, *items: sa.Column | sa.Constraint) -> None:
    """A table with what every kind has."""
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
    kind_table(
        "ghosts",
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("system_prompt", sa.Text(), nullable=False),
        sa.UniqueConstraint("id", "owner_id", name="uq_ghosts_id_owner_id"),
    )
    kind_table(
        "models",
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("model_name", sa.Text(), nullable=True),
        sa.Column("temperature", sa.Float(), nullable=True),
        sa.Column("max_tokens", sa.Integer(), nullable=True),
        sa.Column("api_key_ref", sa.Text(), nullable=True),
        sa.UniqueConstraint("id", "owner_id", name="uq_models_id_owner_id"),
    )
    kind_table(
        "shells",
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("config", postgresql.JSONB(), nullable=False),
        sa.UniqueConstraint("id", "owner_id", name="uq_shells_id_owner_id"),
    )
    kind_table(
        "bots",
        *(sa.Column(f"{part}_id", sa.Uuid(), nullable=False) for part in PARTS),
        *(
            sa.ForeignKeyConstraint(
                [f"{part}_id", "owner_id"],
                [f"{SCHEMA}.{part}s.id", f"{SCHEMA}.{part}s.owner_id"],
                name=f"fk_bots_{part}_id",
            )
            for part in PARTS
        ),
    )
    for part in PARTS:
        op.create_index(f"ix_bots_{part}_id", "bots", [f"{part}_id"], schema=SCHEMA)
    kind_table(
        "teams",
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("members", postgresql.JSONB(), nullable=False),
    )
    op.create_index(
        "ix_teams_members",
        "teams",
        ["members"],
        schema=SCHEMA,
        postgresql_using="gin",
        postgresql_ops={"members": "jsonb_path_ops"},
    )


def downgrade() -> None:
    for table in ("teams", "bots", "shells", "models", "ghosts"):
        op.drop_table(table, schema=SCHEMA)
