"""the lines before accounts at providers, which all fronts share"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "provider_paces",
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("due", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("line", name=op.f("pk_provider_paces")),
        schema="runtime",
    )


def downgrade() -> None:
    op.drop_table("provider_paces", schema="runtime")
