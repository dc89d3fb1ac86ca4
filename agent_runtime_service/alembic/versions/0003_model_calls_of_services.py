"""model calls beside runs, each with its purpose"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCHEMA = "runtime"


def upgrade() -> None:
    op.add_column("model_calls", sa.Column("purpose", sa.Text(), nullable=True), schema=SCHEMA)
    op.alter_column("model_calls", "run_id", existing_type=sa.Uuid(), nullable=True, schema=SCHEMA)
    op.alter_column("model_calls", "agent_id", existing_type=sa.Uuid(), nullable=True, schema=SCHEMA)


def downgrade() -> None:
    op.execute(f"DELETE FROM {SCHEMA}.model_calls WHERE run_id IS NULL")
    op.alter_column("model_calls", "agent_id", existing_type=sa.Uuid(), nullable=False, schema=SCHEMA)
    op.alter_column("model_calls", "run_id", existing_type=sa.Uuid(), nullable=False, schema=SCHEMA)
    op.drop_column("model_calls", "purpose", schema=SCHEMA)
