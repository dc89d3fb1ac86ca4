"""labels"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SCHEMA = "agents"


def upgrade() -> None:
    op.add_column("agents", sa.Column("stable_version", sa.Integer(), nullable=True), schema=SCHEMA)
    op.add_column("agents", sa.Column("canary_version", sa.Integer(), nullable=True), schema=SCHEMA)
    op.add_column(
        "agents", sa.Column("canary_share", sa.Integer(), server_default="0", nullable=False), schema=SCHEMA
    )
    op.create_check_constraint(
        "ck_agents_labels",
        "agents",
        "version IS NOT NULL OR coalesce(stable_version, canary_version) IS NULL",
        schema=SCHEMA,
    )
    op.create_check_constraint(
        "ck_agents_canary_share", "agents", "canary_share BETWEEN 0 AND 100", schema=SCHEMA
    )


def downgrade() -> None:
    op.drop_constraint("ck_agents_canary_share", "agents", schema=SCHEMA)
    op.drop_constraint("ck_agents_labels", "agents", schema=SCHEMA)
    for column in ("canary_share", "canary_version", "stable_version"):
        op.drop_column("agents", column, schema=SCHEMA)
