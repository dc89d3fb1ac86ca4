"""headers and OAuth of a server, and the versions of a tool's definition"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Whatever changes a definition, it is another version.
_COUNTED = """
CREATE FUNCTION tools.count_tool_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.version = OLD.version THEN NEW.version := OLD.version + 1; END IF;
    RETURN NEW;
END $$
"""
_KEPT = """
CREATE FUNCTION tools.keep_tool_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tools.tool_versions (tool_id, version, owner_id, description, input_schema, output_schema, definition,
        definition_hash, pinned_by, pinned_at)
    VALUES (NEW.id, NEW.version, NEW.owner_id, NEW.description, NEW.input_schema, NEW.output_schema, NEW.definition,
        NEW.definition_hash, NEW.pinned_by, now())
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$
"""
# Who pinned the definitions of before was not kept.
_OF_BEFORE = """
INSERT INTO tools.tool_versions (tool_id, version, owner_id, description, input_schema, output_schema, definition,
    definition_hash, pinned_at)
SELECT id, version, owner_id, description, input_schema, output_schema, definition, definition_hash, updated_at
FROM tools.tools
"""


def upgrade() -> None:
    op.add_column(
        "mcp_servers", sa.Column("headers", sa.JSON(), nullable=False, server_default=sa.text("'{}'")), schema="tools"
    )
    op.alter_column("mcp_servers", "headers", server_default=None, schema="tools")
    op.add_column("mcp_servers", sa.Column("oauth", sa.JSON(none_as_null=True), nullable=True), schema="tools")
    op.add_column("mcp_servers", sa.Column("oauth_ref", sa.Text(), nullable=True), schema="tools")
    op.add_column(
        "mcp_servers", sa.Column("authorized_at", sa.DateTime(timezone=True), nullable=True), schema="tools"
    )
    op.create_table(
        "mcp_authorizations",
        sa.Column("state_hash", sa.Text(), nullable=False),
        sa.Column("server_id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("started_by", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["server_id"],
            ["tools.mcp_servers.id"],
            name=op.f("fk_mcp_authorizations_server_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_mcp_authorizations")),
        schema="tools",
    )
    op.create_index(
        "ix_mcp_authorizations_server_id", "mcp_authorizations", ["server_id"], unique=False, schema="tools"
    )
    op.add_column("tools", sa.Column("pinned_by", sa.Text(), nullable=True), schema="tools")
    op.add_column("tools", sa.Column("version", sa.Integer(), nullable=False, server_default="1"), schema="tools")
    op.alter_column("tools", "version", server_default=None, schema="tools")
    op.create_table(
        "tool_versions",
        sa.Column("tool_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("input_schema", sa.JSON(), nullable=False),
        sa.Column("output_schema", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("definition", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("definition_hash", sa.Text(), nullable=False),
        sa.Column("pinned_by", sa.Text(), nullable=True),
        sa.Column("pinned_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tool_id"], ["tools.tools.id"], name=op.f("fk_tool_versions_tool_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tool_id", "version", name=op.f("pk_tool_versions")),
        schema="tools",
    )
    op.execute(_OF_BEFORE)
    op.execute(_COUNTED)
    op.execute(_KEPT)
    op.execute(
        "CREATE TRIGGER count_tool_version BEFORE UPDATE OF definition_hash ON tools.tools"
        " FOR EACH ROW WHEN (NEW.definition_hash <> OLD.definition_hash) EXECUTE FUNCTION tools.count_tool_version()"
    )
    op.execute(
        "CREATE TRIGGER keep_tool_version AFTER INSERT OR UPDATE OF definition_hash ON tools.tools"
        " FOR EACH ROW EXECUTE FUNCTION tools.keep_tool_version()"
    )


def downgrade() -> None:
    for name in ("keep_tool_version", "count_tool_version"):
        op.execute(f"DROP TRIGGER {name} ON tools.tools")
        op.execute(f"DROP FUNCTION tools.{name}()")
    op.drop_table("tool_versions", schema="tools")
    op.drop_column("tools", "version", schema="tools")
    op.drop_column("tools", "pinned_by", schema="tools")
    op.drop_table("mcp_authorizations", schema="tools")
    for column in ("authorized_at", "oauth_ref", "oauth", "headers"):
        op.drop_column("mcp_servers", column, schema="tools")
