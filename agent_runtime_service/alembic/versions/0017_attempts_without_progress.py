"""attempts are counted for as long as a run gets no further"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("attempted_at_seq", sa.Integer(), nullable=True), schema="runtime")


def downgrade() -> None:
    op.drop_column("runs", "attempted_at_seq", schema="runtime")
