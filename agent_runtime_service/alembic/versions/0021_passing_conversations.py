"""conversations that aren't kept"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

SCHEMA = "runtime"


def upgrade() -> None:
    op.create_table(
        "passing_conversations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passing_conversations")),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("passing_conversations", schema=SCHEMA)
