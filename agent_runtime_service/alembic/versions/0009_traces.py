"""what a trace shows that wasn't kept: prompts as they were sent, what led to a run, what went wrong on its way"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_OF_MODEL_CALLS = (
    ("step", sa.Integer()),
    ("epoch", sa.BigInteger()),
    ("first_ms", sa.Integer()),
    ("prompt", sa.LargeBinary()),
    ("prompt_of", sa.Uuid()),
    ("prompt_head", sa.Integer()),
    ("prompt_tail", sa.Integer()),
)


def upgrade() -> None:
    for name, kind in _OF_MODEL_CALLS:
        op.add_column("model_calls", sa.Column(name, kind, nullable=True), schema="runtime")
    op.create_table(
        "run_origins",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("asked_by_run", sa.Uuid(), nullable=True),
        sa.Column("asked_by_key", sa.Text(), nullable=True),
        sa.Column("traceparent", sa.Text(), nullable=True),
        sa.Column("replay_of", sa.Uuid(), nullable=True),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_run_origins")),
        schema="runtime",
    )
    for name in ("asked_by_run", "asked_by_key"):
        op.create_index(
            f"ix_run_origins_{name}",
            "run_origins",
            [name],
            schema="runtime",
            postgresql_where=sa.text(f"{name} IS NOT NULL"),
        )
    op.create_table(
        "run_incidents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runtime.runs.id"], name=op.f("fk_run_incidents_run_id_runs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_incidents")),
        schema="runtime",
    )
    op.create_index("ix_run_incidents_run_id", "run_incidents", ["run_id"], schema="runtime")


def downgrade() -> None:
    op.drop_table("run_incidents", schema="runtime")
    op.drop_table("run_origins", schema="runtime")
    for name, _ in reversed(_OF_MODEL_CALLS):
        op.drop_column("model_calls", name, schema="runtime")
