"""runs are found by their conversation, and replays by what they repeat"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

SCHEMA = "runtime"
_REPEATS = sa.text("replay_of IS NOT NULL")


def upgrade() -> None:
    op.create_index("ix_runs_conversation_id", "runs", ["conversation_id"], schema=SCHEMA)
    op.create_index("ix_run_origins_replay_of", "run_origins", ["replay_of"], schema=SCHEMA, postgresql_where=_REPEATS)


def downgrade() -> None:
    op.drop_index("ix_run_origins_replay_of", table_name="run_origins", schema=SCHEMA, postgresql_where=_REPEATS)
    op.drop_index("ix_runs_conversation_id", table_name="runs", schema=SCHEMA)
