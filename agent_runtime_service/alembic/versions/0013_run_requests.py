"""what a message holds beside its text, and the form that its answer is asked for in"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("request_extras", sa.JSON(), nullable=True), schema="runtime")


def downgrade() -> None:
    op.drop_column("runs", "request_extras", schema="runtime")
