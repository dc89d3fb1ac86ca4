"""rules and capabilities, their marks, and the event that an owner's tools changed"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

WATCHED = ("tools", "permission_rules", "capabilities")
MARKED = ("permission_rules", "capabilities")
OCCASIONS = {"INSERT": "NEW", "UPDATE": "NEW", "DELETE": "OLD"}


def upgrade() -> None:
    op.create_table(
        "permission_rules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("effect", sa.Text(), nullable=False),
        sa.Column("pattern", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("effect IN ('allow', 'deny')", name=op.f("ck_permission_rules_effect")),
        sa.CheckConstraint("owner_id <> '' OR agent = ''", name=op.f("ck_permission_rules_of_a_level")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_permission_rules")),
        sa.UniqueConstraint(
            "owner_id", "agent", "effect", "pattern", name=op.f("uq_permission_rules_owner_id_agent_effect_pattern")
        ),
        schema="tools",
    )
    op.create_table(
        "capabilities",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("patterns", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "name", name=op.f("pk_capabilities")),
        schema="tools",
    )
    op.create_table(
        "permission_marks",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("mark", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_permission_marks")),
        schema="tools",
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        schema="tools",
    )
    op.create_index(
        "ix_invocations_denied",
        "invocations",
        ["owner_id", "started_at"],
        schema="tools",
        postgresql_where=sa.text("outcome = 'denied'"),
    )
    _create_triggers()


def _create_triggers() -> None:
    """Whoever changes a rule, a capability or a tool, by whatever statement, leaves a mark and an event."""
    op.execute("""
        CREATE FUNCTION tools.mark_permission() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO tools.permission_marks (owner_id, mark)
            SELECT DISTINCT owner_id, 1 FROM changed ORDER BY owner_id
            ON CONFLICT (owner_id) DO UPDATE SET mark = permission_marks.mark + 1;
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE FUNCTION tools.tell_tools_changed() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO tools.outbox (id, subject, body)
            SELECT told.id, 'kgents.tools.tools.changed', jsonb_build_object(
                'specversion', '1.0', 'id', told.id, 'source', '/kgents/tools', 'type', 'tools.changed',
                'subject', told.owner_id, 'datacontenttype', 'application/json',
                'time', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                'data', jsonb_build_object('owner_id', nullif(told.owner_id, '')))
            FROM (SELECT gen_random_uuid() AS id, owner_id FROM (SELECT DISTINCT owner_id FROM changed) owners) told
            -- Once a transaction and owner, however many rows it changes one by one.
            WHERE NOT EXISTS (SELECT FROM tools.outbox sent WHERE sent.body->>'subject' = told.owner_id
                              AND sent.xmin = pg_current_xact_id()::xid);
            RETURN NULL;
        END $$
    """)
    for tables, name, function in (
        (MARKED, "marked", "tools.mark_permission()"),
        (WATCHED, "told", "tools.tell_tools_changed()"),
    ):
        for table in tables:
            for occasion, rows in OCCASIONS.items():
                op.execute(f"""
                    CREATE TRIGGER {table}_{name}_{occasion.lower()} AFTER {occasion} ON tools.{table}
                    REFERENCING {rows} TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION {function}
                """)


def downgrade() -> None:
    for occasion in OCCASIONS:
        op.execute(f"DROP TRIGGER tools_told_{occasion.lower()} ON tools.tools")
    op.drop_index("ix_invocations_denied", table_name="invocations", schema="tools")
    for table in ("outbox", "permission_rules", "capabilities", "permission_marks"):
        op.drop_table(table, schema="tools")
    op.execute("DROP FUNCTION tools.tell_tools_changed()")
    op.execute("DROP FUNCTION tools.mark_permission()")
