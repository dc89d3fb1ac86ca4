"""a credential for a server"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("mcp_servers", sa.Column("credential_ref", sa.Text(), nullable=True), schema="tools")


def downgrade() -> None:
    op.drop_column("mcp_servers", "credential_ref", schema="tools")
