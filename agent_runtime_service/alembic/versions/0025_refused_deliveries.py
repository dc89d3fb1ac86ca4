"""refused messages to capabilities are counted"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "deliveries", sa.Column("times", sa.Integer(), server_default=sa.text("1"), nullable=False), schema="runtime"
    )


def downgrade() -> None:
    op.drop_column("deliveries", "times", schema="runtime")
