"""contexts of several agents"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

SCHEMA = "runtime"


def upgrade() -> None:
    op.create_table('multi_agent_contexts',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('owner_id', sa.Text(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('collaboration_model', sa.Text(), nullable=False),
    sa.Column('status', sa.Text(), server_default='active', nullable=False),
    sa.Column('details', postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
    sa.Column('state', postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
    sa.Column('state_version', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('state_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_seq', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('idempotency_key', sa.Text(), nullable=True),
    sa.Column('request_hash', sa.LargeBinary(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('last_activity', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("collaboration_model IN ('parallel', 'sequential')", name=op.f('ck_multi_agent_contexts_collaboration_model')),
    sa.CheckConstraint("status IN ('active', 'closed')", name=op.f('ck_multi_agent_contexts_status')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_multi_agent_contexts')),
    schema=SCHEMA
    )
    op.create_index('ix_multi_agent_contexts_owner_id_id', 'multi_agent_contexts', ['owner_id', 'id'], schema=SCHEMA)
    op.create_index('uq_multi_agent_contexts_key', 'multi_agent_contexts', ['owner_id', 'idempotency_key'], unique=True, schema=SCHEMA, postgresql_where=sa.text('idempotency_key IS NOT NULL'))
    op.create_table('context_exchanges',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('context_id', sa.Uuid(), nullable=False),
    sa.Column('owner_id', sa.Text(), nullable=False),
    sa.Column('principal', sa.Text(), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=False),
    sa.Column('recipients', postgresql.ARRAY(sa.Uuid()), nullable=False),
    sa.Column('is_private', sa.Boolean(), nullable=False),
    sa.Column('rounds', sa.Integer(), nullable=False),
    sa.Column('collaboration_model', sa.Text(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('lease_expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('idempotency_key', sa.Text(), nullable=True),
    sa.Column('request_hash', sa.LargeBinary(), nullable=True),
    sa.Column('started_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("status IN ('running', 'ended')", name=op.f('ck_context_exchanges_status')),
    sa.ForeignKeyConstraint(['context_id'], ['runtime.multi_agent_contexts.id'], name=op.f('fk_context_exchanges_context_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_context_exchanges')),
    schema=SCHEMA
    )
    op.create_index('uq_context_exchanges_key', 'context_exchanges', ['context_id', 'idempotency_key'], unique=True, schema=SCHEMA, postgresql_where=sa.text('idempotency_key IS NOT NULL'))
    op.create_index('uq_context_exchanges_running', 'context_exchanges', ['context_id'], unique=True, schema=SCHEMA, postgresql_where=sa.text("status = 'running'"))
    op.create_table('context_messages',
    sa.Column('context_id', sa.Uuid(), nullable=False),
    sa.Column('seq', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('exchange_id', sa.Uuid(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('from_id', sa.Text(), nullable=False),
    sa.Column('from_name', sa.Text(), nullable=False),
    sa.Column('to_agents', postgresql.ARRAY(sa.Uuid()), nullable=True),
    sa.Column('visible_to', postgresql.ARRAY(sa.Uuid()), nullable=True),
    sa.Column('body', sa.Text(), nullable=False),
    sa.Column('run_id', sa.Uuid(), nullable=True),
    sa.Column('governance', postgresql.JSONB(), nullable=False),
    sa.Column('sent_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("kind IN ('person', 'agent')", name=op.f('ck_context_messages_kind')),
    sa.ForeignKeyConstraint(['context_id'], ['runtime.multi_agent_contexts.id'], name=op.f('fk_context_messages_context_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('context_id', 'seq', name=op.f('pk_context_messages')),
    schema=SCHEMA
    )
    op.create_table('context_participants',
    sa.Column('context_id', sa.Uuid(), nullable=False),
    sa.Column('agent_id', sa.Uuid(), nullable=False),
    sa.Column('agent_name', sa.Text(), nullable=False),
    sa.Column('agent_owner_id', sa.Text(), nullable=False),
    sa.Column('role', sa.Text(), server_default='', nullable=False),
    sa.Column('visibility', sa.Text(), server_default='shared', nullable=False),
    sa.Column('place', sa.Integer(), nullable=False),
    sa.Column('conversation_id', sa.Uuid(), nullable=True),
    sa.Column('joined_seq', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('seen_seq', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('joined_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('left_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("visibility IN ('shared', 'addressed')", name=op.f('ck_context_participants_visibility')),
    sa.ForeignKeyConstraint(['context_id'], ['runtime.multi_agent_contexts.id'], name=op.f('fk_context_participants_context_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('context_id', 'agent_id', name=op.f('pk_context_participants')),
    schema=SCHEMA
    )
    op.create_table('context_turns',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('exchange_id', sa.Uuid(), nullable=False),
    sa.Column('context_id', sa.Uuid(), nullable=False),
    sa.Column('agent_id', sa.Uuid(), nullable=False),
    sa.Column('round', sa.Integer(), nullable=False),
    sa.Column('after_seq', sa.Integer(), nullable=False),
    sa.Column('until_seq', sa.Integer(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('run_id', sa.Uuid(), nullable=True),
    sa.Column('error', postgresql.JSONB(), nullable=True),
    sa.Column('started_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("status IN ('running', 'waiting', 'answered', 'failed', 'silent')", name=op.f('ck_context_turns_status')),
    sa.ForeignKeyConstraint(['exchange_id'], ['runtime.context_exchanges.id'], name=op.f('fk_context_turns_exchange_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_context_turns')),
    schema=SCHEMA
    )
    op.create_index('ix_context_turns_context_id_agent_id', 'context_turns', ['context_id', 'agent_id'], schema=SCHEMA)
    op.create_index('ix_context_turns_exchange_id', 'context_turns', ['exchange_id'], schema=SCHEMA)
    op.create_index('ix_context_turns_waiting', 'context_turns', ['run_id'], schema=SCHEMA, postgresql_where=sa.text("status = 'waiting'"))


def downgrade() -> None:
    for table in ("context_turns", "context_participants", "context_messages", "context_exchanges"):
        op.drop_table(table, schema=SCHEMA)
    op.drop_table("multi_agent_contexts", schema=SCHEMA)
