"""calls that are asked to stop"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column("stop_asked", sa.Boolean(), server_default=sa.false(), nullable=False)
    op.add_column("invocations", column, schema="tools")


def downgrade() -> None:
    op.drop_column("invocations", "stop_asked", schema="tools")
