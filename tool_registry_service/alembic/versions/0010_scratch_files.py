"""files of conversations"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "scratch_files",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("path", sa.Text(collation="C"), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "conversation_id", "path", name=op.f("pk_scratch_files")),
        schema="tools",
    )
    op.create_index("ix_scratch_files_updated_at", "scratch_files", ["updated_at"], unique=False, schema="tools")


def downgrade() -> None:
    op.drop_index("ix_scratch_files_updated_at", table_name="scratch_files", schema="tools")
    op.drop_table("scratch_files", schema="tools")
