"""what models are shown of conversations"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SCHEMA = "runtime"


def upgrade() -> None:
    for column in (
        sa.Column("context_from", sa.Integer(), server_default="1", nullable=False),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column("summary_of_seq", sa.Integer(), nullable=True),
        sa.Column("facts", postgresql.JSONB(), nullable=True),
        sa.Column("shared_with", sa.Text(), nullable=True),
    ):
        op.add_column("conversations", column, schema=SCHEMA)
    op.create_index(
        "ix_conversations_shared",
        "conversations",
        ["owner_id", "shared_with", "id"],
        schema=SCHEMA,
        postgresql_where=sa.text("shared_with IS NOT NULL"),
    )
    op.create_table(
        "shared_facts",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("shared_with", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "shared_with", name=op.f("pk_shared_facts")),
        schema=SCHEMA,
    )
    op.create_table(
        "context_changes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("forgotten", sa.Integer(), nullable=False),
        sa.Column("context_from", sa.Integer(), nullable=False),
        sa.Column("summarised", sa.Boolean(), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("shortened", sa.Integer(), nullable=False),
        sa.Column("tokens_before", sa.Integer(), nullable=False),
        sa.Column("tokens_after", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["runtime.conversations.id"],
            name=op.f("fk_context_changes_conversation_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_context_changes")),
        schema=SCHEMA,
    )
    op.create_index("ix_context_changes_conversation_id", "context_changes", ["conversation_id"], schema=SCHEMA)
    op.create_index("ix_context_changes_run_id", "context_changes", ["run_id"], schema=SCHEMA)


def downgrade() -> None:
    op.drop_table("context_changes", schema=SCHEMA)
    op.drop_table("shared_facts", schema=SCHEMA)
    op.drop_index("ix_conversations_shared", table_name="conversations", schema=SCHEMA)
    for name in ("shared_with", "facts", "summary_of_seq", "summary", "context_from"):
        op.drop_column("conversations", name, schema=SCHEMA)
