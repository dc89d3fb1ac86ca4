"""approvals, their records, outbox"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "governance"
NOW = sa.text("now()")
LIVE = sa.text("status IN ('pending', 'approved')")
MAY_CHANGE = "'status', 'note', 'decided_by', 'decided_at'"


def upgrade() -> None:
    op.create_table(
        "approvals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("agent_name", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("conversation_id", sa.Uuid(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("payload_hash", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("request_key", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_approvals"),
        sa.CheckConstraint(
            "status IN ('pending', 'approved', 'rejected', 'expired', 'consumed', 'cancelled')",
            name="ck_approvals_status",
        ),
        sa.CheckConstraint(
            "status NOT IN ('approved', 'consumed') OR decided_by IS NOT NULL", name="ck_approvals_decided_by"
        ),
        schema=SCHEMA,
    )
    op.create_index(
        "uq_approvals_owner_id_request_key", "approvals", ["owner_id", "request_key"], unique=True, schema=SCHEMA
    )
    op.create_index("ix_approvals_owner_id_id", "approvals", ["owner_id", "id"], schema=SCHEMA)
    op.create_index("ix_approvals_live_expires_at", "approvals", ["expires_at"], schema=SCHEMA, postgresql_where=LIVE)
    op.create_index("ix_approvals_live_run_id", "approvals", ["run_id"], schema=SCHEMA, postgresql_where=LIVE)
    op.create_table(
        "approval_records",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("approval_id", sa.Uuid(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_approval_records"),
        sa.ForeignKeyConstraint(
            ["approval_id"], [f"{SCHEMA}.approvals.id"], name="fk_approval_records_approval_id"
        ),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_approval_records_approval_id_id", "approval_records", ["approval_id", "id"], schema=SCHEMA
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        schema=SCHEMA,
    )
    # What was asked never changes, what has ended stays as it ended, and nothing goes.
    op.execute(f"""
        CREATE FUNCTION {SCHEMA}.guard_approval() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'DELETE' THEN
                RAISE EXCEPTION 'an approval is never deleted';
            END IF;
            IF to_jsonb(OLD) - ARRAY[{MAY_CHANGE}] IS DISTINCT FROM to_jsonb(NEW) - ARRAY[{MAY_CHANGE}] THEN
                RAISE EXCEPTION 'what an approval is about never changes';
            END IF;
            IF OLD.status NOT IN ('pending', 'approved') OR (OLD.status, NEW.status) = ('pending', 'consumed')
                OR (OLD.status, NEW.status) = ('approved', 'pending')
                OR (OLD.decided_by IS NOT NULL
                    AND (OLD.decided_by, OLD.decided_at) IS DISTINCT FROM (NEW.decided_by, NEW.decided_at)) THEN
                RAISE EXCEPTION 'an approval that is % does not become %', OLD.status, NEW.status;
            END IF;
            RETURN NEW;
        END $$
    """)
    op.execute(f"""
        CREATE TRIGGER approvals_guarded BEFORE UPDATE OR DELETE ON {SCHEMA}.approvals
        FOR EACH ROW EXECUTE FUNCTION {SCHEMA}.guard_approval()
    """)
    op.execute(f"""
        CREATE FUNCTION {SCHEMA}.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'a record never changes';
        END $$
    """)
    op.execute(f"""
        CREATE TRIGGER approval_records_never_change BEFORE UPDATE OR DELETE ON {SCHEMA}.approval_records
        FOR EACH ROW EXECUTE FUNCTION {SCHEMA}.refuse_change()
    """)


def downgrade() -> None:
    op.drop_table("outbox", schema=SCHEMA)
    op.drop_table("approval_records", schema=SCHEMA)
    op.execute(f"DROP FUNCTION {SCHEMA}.refuse_change()")
    op.drop_table("approvals", schema=SCHEMA)
    op.execute(f"DROP FUNCTION {SCHEMA}.guard_approval()")
