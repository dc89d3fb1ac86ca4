"""allotments that were written off, and may come back"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column("written_off", sa.Boolean(), server_default=sa.false(), nullable=False)
    op.add_column("budget_allotments", column, schema="runtime")


def downgrade() -> None:
    op.execute("DELETE FROM runtime.budget_allotments WHERE written_off")
    op.drop_column("budget_allotments", "written_off", schema="runtime")
