"""deployments, restart requests, instances"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "deployments"
NOW = sa.text("now()")


def upgrade() -> None:
    op.create_table(
        "deployments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("desired", sa.Text(), nullable=False),
        sa.Column("spec", postgresql.JSONB(), nullable=True),
        sa.Column("epoch", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("launcher", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deployments"),
        sa.UniqueConstraint("agent_id", name="uq_deployments_agent_id"),
        sa.CheckConstraint("desired IN ('running', 'stopped', 'deleted')", name="ck_deployments_desired"),
        sa.CheckConstraint(
            "desired <> 'running' OR (spec IS NOT NULL AND version IS NOT NULL)", name="ck_deployments_runnable"
        ),
        schema=SCHEMA,
    )
    op.create_index("ix_deployments_owner_id_name", "deployments", ["owner_id", "name"], schema=SCHEMA)
    op.create_table(
        "restart_requests",
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("deployment_id", "key", name="pk_restart_requests"),
        sa.ForeignKeyConstraint(
            ["deployment_id"],
            [f"{SCHEMA}.deployments.id"],
            name="fk_restart_requests_deployment_id",
            ondelete="CASCADE",
        ),
        schema=SCHEMA,
    )
    op.create_table(
        "instances",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("spec", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("restarts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("recent_crashes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("window_started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_start_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("endpoint_url", sa.Text(), nullable=True),
        sa.Column("health_check_url", sa.Text(), nullable=True),
        sa.Column("pid", sa.Integer(), nullable=True),
        sa.Column("container_id", sa.Text(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_instances"),
        sa.ForeignKeyConstraint(
            ["deployment_id"], [f"{SCHEMA}.deployments.id"], name="fk_instances_deployment_id", ondelete="CASCADE"
        ),
        sa.CheckConstraint(
            "state IN ('starting', 'ready', 'draining', 'crashed', 'failed', 'stopped')", name="ck_instances_state"
        ),
        schema=SCHEMA,
    )
    op.create_index("ix_instances_deployment_id", "instances", ["deployment_id", "id"], schema=SCHEMA)
    op.create_index(
        "ix_instances_live", "instances", ["agent_id"], schema=SCHEMA, postgresql_where=sa.text("state <> 'stopped'")
    )


def downgrade() -> None:
    op.drop_table("instances", schema=SCHEMA)
    op.drop_table("restart_requests", schema=SCHEMA)
    op.drop_table("deployments", schema=SCHEMA)
