"""imported APIs"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "http_apis",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("source_url", sa.Text(), nullable=True),
        sa.Column("base_url", sa.Text(), nullable=False),
        sa.Column("document_hash", sa.Text(), nullable=False),
        sa.Column("operations", sa.JSON(), nullable=False),
        sa.Column("auth", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("credential_ref", sa.Text(), nullable=True),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_http_apis")),
        sa.UniqueConstraint("owner_id", "name", name=op.f("uq_http_apis_owner_id_name")),
        schema="tools",
    )
    op.add_column("tools", sa.Column("api_id", sa.Uuid(), nullable=True), schema="tools")
    op.create_foreign_key(
        op.f("fk_tools_api_id"),
        "tools",
        "http_apis",
        ["api_id"],
        ["id"],
        source_schema="tools",
        referent_schema="tools",
        ondelete="CASCADE",
    )
    op.create_index("ix_tools_api_id", "tools", ["api_id"], unique=False, schema="tools")


def downgrade() -> None:
    op.execute("DELETE FROM tools.tools WHERE api_id IS NOT NULL")
    op.drop_index("ix_tools_api_id", table_name="tools", schema="tools")
    op.drop_constraint(op.f("fk_tools_api_id"), "tools", schema="tools", type_="foreignkey")
    op.drop_column("tools", "api_id", schema="tools")
    op.drop_table("http_apis", schema="tools")
