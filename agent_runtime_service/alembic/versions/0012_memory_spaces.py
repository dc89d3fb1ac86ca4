"""memories by scope, with keys, values and their history"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SCHEMA = "runtime"
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "memory_spaces",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("items", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memory_spaces")),
        sa.UniqueConstraint("owner_id", "scope", "subject", name=op.f("uq_memory_spaces_owner_id_scope_subject")),
        schema=SCHEMA,
    )
    op.execute(
        "INSERT INTO runtime.memory_spaces (id, owner_id, scope, subject, items) "
        "SELECT gen_random_uuid(), owner_id, 'agent', agent_id::text, count(*) FROM runtime.memories GROUP BY 2, 4"
    )
    _extend_memories()
    op.create_table(
        "memory_versions",
        sa.Column("memory_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("space_id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=True),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("value", postgresql.JSONB(), nullable=True),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("memory_id", "version", name=op.f("pk_memory_versions")),
        sa.ForeignKeyConstraint(
            ["space_id"], ["runtime.memory_spaces.id"], ondelete="CASCADE",
            name=op.f("fk_memory_versions_space_id"),
        ),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_memory_versions_space_id_key_updated_at", "memory_versions", ["space_id", "key", "updated_at"],
        schema=SCHEMA,
    )
    op.create_index("ix_memory_versions_principal", "memory_versions", ["principal"], schema=SCHEMA)
    op.create_table(
        "memory_removals",
        sa.Column("memory_id", sa.Uuid(), nullable=False),
        sa.Column("removed_at", _TIME, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("memory_id", name=op.f("pk_memory_removals")),
        schema=SCHEMA,
    )
    op.create_table(
        "embeddings",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("used_at", _TIME, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "model", "content_hash", name=op.f("pk_embeddings")),
        schema=SCHEMA,
    )
    op.create_index("ix_embeddings_used_at", "embeddings", ["used_at"], schema=SCHEMA)
    op.create_table(
        "memory_copyings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="running", nullable=False),
        sa.Column("after_id", sa.Uuid(), nullable=True),
        sa.Column("copied", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("missing", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", _TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memory_copyings")),
        schema=SCHEMA,
    )


def _extend_memories() -> None:
    for column in (
        sa.Column("space_id", sa.Uuid(), nullable=True),
        sa.Column("scope", sa.Text(), server_default="agent", nullable=False),
        sa.Column("principal", sa.Text(), server_default="", nullable=False),
        sa.Column("value", postgresql.JSONB(), nullable=True),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("semantic", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("indexed_as", sa.Text(), nullable=True),
        sa.Column("updated_at", _TIME, nullable=True),
    ):
        op.add_column("memories", column, schema=SCHEMA)
    op.execute(
        "UPDATE runtime.memories SET key = 'text:' || key, updated_at = created_at, space_id = space.id FROM runtime.memory_spaces AS space "
        "WHERE space.owner_id = memories.owner_id AND space.subject = memories.agent_id::text"
    )
    op.alter_column("memories", "scope", server_default=None, schema=SCHEMA)
    op.alter_column("memories", "space_id", nullable=False, schema=SCHEMA)
    op.alter_column("memories", "updated_at", nullable=False, server_default=sa.text("now()"), schema=SCHEMA)
    op.create_foreign_key(
        op.f("fk_memories_space_id"), "memories", "memory_spaces", ["space_id"], ["id"],
        source_schema=SCHEMA, referent_schema=SCHEMA, ondelete="CASCADE",
    )
    op.drop_constraint(op.f("uq_memories_owner_id_agent_id_key"), "memories", schema=SCHEMA)
    _index_words("to_tsvector('simple'::regconfig, text) || array_to_tsvector(ARRAY['S' || upper(space_id::text)])")
    op.create_unique_constraint(op.f("uq_memories_space_id_key"), "memories", ["space_id", "key"], schema=SCHEMA)
    op.create_index("ix_memories_space_id_updated_at", "memories", ["space_id", "updated_at"], schema=SCHEMA)
    op.create_index("ix_memories_principal", "memories", ["principal"], schema=SCHEMA)
    op.create_index(
        "ix_memories_indexed_as", "memories", ["indexed_as", "id"], postgresql_where=sa.text("semantic"), schema=SCHEMA
    )


def _index_words(expression: str) -> None:
    """Each row's space is one of its words, so that one index finds the words of a space."""
    op.drop_column("memories", "words", schema=SCHEMA)
    op.add_column(
        "memories",
        sa.Column("words", postgresql.TSVECTOR(), sa.Computed(expression, persisted=True), nullable=False),
        schema=SCHEMA,
    )
    op.create_index("ix_memories_words", "memories", ["words"], postgresql_using="gin", schema=SCHEMA)


def downgrade() -> None:
    """What is not in the scope `agent` can't be kept by the older tables."""
    _drop_vectors()
    for table in ("memory_copyings", "embeddings", "memory_removals", "memory_versions"):
        op.drop_table(table, schema=SCHEMA)
    op.execute("DELETE FROM runtime.memories WHERE scope <> 'agent'")
    op.execute("UPDATE runtime.memories SET key = substr(key, 6) WHERE starts_with(key, 'text:')")
    for index in ("ix_memories_indexed_as", "ix_memories_principal", "ix_memories_space_id_updated_at"):
        op.drop_index(index, "memories", schema=SCHEMA)
    _index_words("to_tsvector('simple'::regconfig, text)")
    op.drop_constraint(op.f("fk_memories_space_id"), "memories", schema=SCHEMA)
    op.drop_constraint(op.f("uq_memories_space_id_key"), "memories", schema=SCHEMA)
    for column in (
        "space_id", "scope", "principal", "value", "tags", "version", "semantic", "indexed_as", "updated_at",
    ):
        op.drop_column("memories", column, schema=SCHEMA)
    op.create_unique_constraint(
        op.f("uq_memories_owner_id_agent_id_key"), "memories", ["owner_id", "agent_id", "key"], schema=SCHEMA
    )
    op.drop_table("memory_spaces", schema=SCHEMA)


def _drop_vectors() -> None:
    """The tables of vectors, which are made when a model is first used."""
    op.execute(
        """
        DO $$ DECLARE made text; BEGIN
            FOR made IN SELECT tablename FROM pg_tables
                WHERE schemaname = 'runtime' AND starts_with(tablename, 'memory_vectors_')
            LOOP EXECUTE format('DROP TABLE runtime.%I', made); END LOOP;
        END $$
        """
    )
