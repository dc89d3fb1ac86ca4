"""whether what an imported API answers is held against its document"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column("check_results", sa.Boolean(), nullable=False, server_default=sa.true())
    op.add_column("http_apis", column, schema="tools")
    op.alter_column("http_apis", "check_results", server_default=None, schema="tools")


def downgrade() -> None:
    op.drop_column("http_apis", "check_results", schema="tools")
