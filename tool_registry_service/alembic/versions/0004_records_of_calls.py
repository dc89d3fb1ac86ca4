"""recorded calls are listed, continued and forgotten"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_invocations_owner_id_id", "invocations", ["owner_id", "id"], schema="tools")
    op.create_index("ix_invocations_started_at", "invocations", ["started_at"], schema="tools")
    op.create_index(
        "ix_invocations_waiting",
        "invocations",
        ["owner_id", "principal", "fingerprint"],
        schema="tools",
        postgresql_where=sa.text("outcome = 'waiting_approval'"),
    )


def downgrade() -> None:
    for name in ("waiting", "started_at", "owner_id_id"):
        op.drop_index(f"ix_invocations_{name}", table_name="invocations", schema="tools")
