"""what agents keep"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SCHEMA = "runtime"


def upgrade() -> None:
    op.create_table(
        "memories",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=True),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column(
            "words",
            postgresql.TSVECTOR(),
            sa.Computed("to_tsvector('simple'::regconfig, text)", persisted=True),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memories")),
        sa.UniqueConstraint("owner_id", "agent_id", "key", name=op.f("uq_memories_owner_id_agent_id_key")),
        schema=SCHEMA,
    )
    op.create_index("ix_memories_owner_id_agent_id_id", "memories", ["owner_id", "agent_id", "id"], schema=SCHEMA)
    op.create_index("ix_memories_words", "memories", ["words"], postgresql_using="gin", schema=SCHEMA)


def downgrade() -> None:
    op.drop_table("memories", schema=SCHEMA)
