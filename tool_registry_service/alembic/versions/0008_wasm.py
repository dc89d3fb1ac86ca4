"""servers that are WebAssembly modules"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_BEFORE = (
    "(transport = 'streamable_http' AND url IS NOT NULL AND command IS NULL)"
    " OR (transport = 'stdio' AND url IS NULL AND command IS NOT NULL)"
)
_AFTER = _BEFORE + " OR (transport = 'wasm' AND url IS NULL AND command IS NULL)"
_CHECK = "ck_mcp_servers_reached_one_way"


def upgrade() -> None:
    op.create_table(
        "wasm_modules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("source_hash", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("source", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wasm_modules")),
        sa.UniqueConstraint("owner_id", "source_hash", name=op.f("uq_wasm_modules_owner_id_source_hash")),
        schema="tools",
    )
    op.create_table(
        "wasm_servers",
        sa.Column("server_id", sa.Uuid(), nullable=False),
        sa.Column("module_id", sa.Uuid(), nullable=False),
        sa.Column("limits", sa.JSON(), nullable=False),
        sa.Column("grants", sa.JSON(), nullable=False),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["server_id"], ["tools.mcp_servers.id"], name=op.f("fk_wasm_servers_server_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["module_id"], ["tools.wasm_modules.id"], name=op.f("fk_wasm_servers_module_id")),
        sa.PrimaryKeyConstraint("server_id", name=op.f("pk_wasm_servers")),
        schema="tools",
    )
    op.create_index("ix_wasm_servers_module_id", "wasm_servers", ["module_id"], unique=False, schema="tools")
    op.drop_constraint(op.f(_CHECK), "mcp_servers", schema="tools", type_="check")
    op.create_check_constraint(op.f(_CHECK), "mcp_servers", _AFTER, schema="tools")


def downgrade() -> None:
    op.drop_index("ix_wasm_servers_module_id", table_name="wasm_servers", schema="tools")
    op.drop_table("wasm_servers", schema="tools")
    op.drop_table("wasm_modules", schema="tools")
    op.execute("DELETE FROM tools.mcp_servers WHERE transport = 'wasm'")
    op.drop_constraint(op.f(_CHECK), "mcp_servers", schema="tools", type_="check")
    op.create_check_constraint(op.f(_CHECK), "mcp_servers", _BEFORE, schema="tools")
