"""lanes: canaries, and versions that are asked for"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SCHEMA = "deployments"


def upgrade() -> None:
    op.add_column("deployments", sa.Column("canary", postgresql.JSONB(), nullable=True), schema=SCHEMA)
    op.add_column(
        "instances", sa.Column("lane", sa.Text(), server_default="stable", nullable=False), schema=SCHEMA
    )
    op.create_table(
        "wanted_versions",
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("spec", postgresql.JSONB(), nullable=False),
        sa.Column("wanted_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("deployment_id", "version", name="pk_wanted_versions"),
        sa.ForeignKeyConstraint(
            ["deployment_id"],
            [f"{SCHEMA}.deployments.id"],
            name="fk_wanted_versions_deployment_id",
            ondelete="CASCADE",
        ),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("wanted_versions", schema=SCHEMA)
    op.drop_column("instances", "lane", schema=SCHEMA)
    op.drop_column("deployments", "canary", schema=SCHEMA)
