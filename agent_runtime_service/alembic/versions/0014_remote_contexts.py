"""contexts of agents that run elsewhere"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

SCHEMA = "runtime"


def upgrade() -> None:
    op.create_table(
        "remote_contexts",
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("context_id", sa.Text(), nullable=False),
        sa.Column("task_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            [f"{SCHEMA}.conversations.id"],
            name=op.f("fk_remote_contexts_conversation_id_conversations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("conversation_id", name=op.f("pk_remote_contexts")),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("remote_contexts", schema=SCHEMA)
