"""lanes of instances and conversations"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SCHEMA = "runtime"


def upgrade() -> None:
    op.add_column("instances", _lane(), schema=SCHEMA)
    op.add_column("instances", sa.Column("share", sa.Integer(), server_default="0", nullable=False), schema=SCHEMA)
    op.add_column("conversations", _lane(), schema=SCHEMA)


def downgrade() -> None:
    op.drop_column("conversations", "lane", schema=SCHEMA)
    op.drop_column("instances", "share", schema=SCHEMA)
    op.drop_column("instances", "lane", schema=SCHEMA)


def _lane() -> sa.Column[str]:
    return sa.Column("lane", sa.Text(), server_default="stable", nullable=False)
