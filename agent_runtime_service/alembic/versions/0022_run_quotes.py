"""whose words runs were told"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

SCHEMA = "runtime"


def upgrade() -> None:
    op.create_table(
        "run_quotes",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("first_hand", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "principal", name=op.f("pk_run_quotes")),
        schema=SCHEMA,
    )
    op.create_index("ix_run_quotes_principal", "run_quotes", ["principal"], schema=SCHEMA)


def downgrade() -> None:
    op.drop_index("ix_run_quotes_principal", table_name="run_quotes", schema=SCHEMA)
    op.drop_table("run_quotes", schema=SCHEMA)
