"""calls are found by their run, whoever owns the tools: a run has one id on all the platform"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_invocations_run_id", "invocations", ["run_id"], schema="tools")
    op.drop_index("ix_invocations_owner_id_run_id", table_name="invocations", schema="tools")


def downgrade() -> None:
    op.create_index("ix_invocations_owner_id_run_id", "invocations", ["owner_id", "run_id"], schema="tools")
    op.drop_index("ix_invocations_run_id", table_name="invocations", schema="tools")
