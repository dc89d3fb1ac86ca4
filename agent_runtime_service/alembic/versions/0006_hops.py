"""which agents led to a run"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "runs",
        sa.Column("hops", postgresql.ARRAY(sa.Uuid()), server_default="{}", nullable=False),
        schema="runtime",
    )


def downgrade() -> None:
    op.drop_column("runs", "hops", schema="runtime")
