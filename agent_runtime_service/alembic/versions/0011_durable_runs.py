"""runs that are tried again, listed and cancelled"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

SCHEMA = "runtime"


def upgrade() -> None:
    op.add_column("runs", sa.Column("retry", postgresql.JSONB(), nullable=True), schema=SCHEMA)
    op.add_column("runs", sa.Column("failed_tries", postgresql.JSONB(), nullable=True), schema=SCHEMA)
    op.add_column("runs", sa.Column("stopping", sa.Boolean(), server_default="false", nullable=False), schema=SCHEMA)
    op.create_index("ix_runs_owner_id_id", "runs", ["owner_id", "id"], schema=SCHEMA)
    op.create_index("ix_runs_stopping", "runs", ["id"], schema=SCHEMA, postgresql_where=sa.text("stopping"))


def downgrade() -> None:
    op.drop_index("ix_runs_stopping", table_name="runs", schema=SCHEMA, postgresql_where=sa.text("stopping"))
    op.drop_index("ix_runs_owner_id_id", table_name="runs", schema=SCHEMA)
    op.drop_column("runs", "stopping", schema=SCHEMA)
    op.drop_column("runs", "failed_tries", schema=SCHEMA)
    op.drop_column("runs", "retry", schema=SCHEMA)
