"""kinds of tools, and who asked for a call"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None



def _new_columns() -> list[sa.Column[Any]]:
    return [
    sa.Column("agent_name", sa.Text(), nullable=True),
    sa.Column("agent_version", sa.Integer(), nullable=True),
    sa.Column("conversation_id", sa.Uuid(), nullable=True),
    sa.Column("side_effect", sa.Text(), nullable=True),
    sa.Column("approval_id", sa.Uuid(), nullable=True),
    sa.Column("denied_by", sa.JSON(none_as_null=True), nullable=True),
    sa.Column("cost", sa.Numeric(precision=18, scale=6), nullable=True),
    sa.Column("cost_currency", sa.Text(), nullable=True),
    ]


def upgrade() -> None:
    op.add_column("tools", sa.Column("kind", sa.Text(), nullable=False, server_default="mcp"), schema="tools")
    op.alter_column("tools", "kind", server_default=None, schema="tools")
    op.add_column("tools", sa.Column("output_schema", sa.JSON(none_as_null=True), nullable=True), schema="tools")
    op.add_column("tools", sa.Column("definition", sa.JSON(none_as_null=True), nullable=True), schema="tools")
    op.alter_column("tools", "server_id", nullable=True, schema="tools")
    for name, condition in (
        ("of_a_server", "(kind = 'mcp') = (server_id IS NOT NULL)"),
        ("sent_as", "(kind = 'http') = (definition IS NOT NULL)"),
        ("side_effect", "side_effect IN ('none', 'read', 'write', 'external')"),
    ):
        op.create_check_constraint(op.f(f"ck_tools_{name}"), "tools", condition, schema="tools")
    # Who asked was not kept before: the owner stands for them.
    op.add_column("invocations", sa.Column("principal", sa.Text(), nullable=True), schema="tools")
    op.execute("UPDATE tools.invocations SET principal = owner_id")
    op.alter_column("invocations", "principal", nullable=False, schema="tools")
    op.alter_column("invocations", "agent_id", nullable=True, schema="tools")
    op.alter_column("invocations", "run_id", nullable=True, schema="tools")
    for column in _new_columns():
        op.add_column("invocations", column, schema="tools")


def downgrade() -> None:
    for column in reversed(_new_columns()):
        op.drop_column("invocations", column.name, schema="tools")
    op.execute("DELETE FROM tools.invocations WHERE agent_id IS NULL OR run_id IS NULL")
    op.alter_column("invocations", "run_id", nullable=False, schema="tools")
    op.alter_column("invocations", "agent_id", nullable=False, schema="tools")
    op.drop_column("invocations", "principal", schema="tools")
    for name in ("side_effect", "sent_as", "of_a_server"):
        op.drop_constraint(op.f(f"ck_tools_{name}"), "tools", schema="tools", type_="check")
    op.execute("DELETE FROM tools.tools WHERE kind <> 'mcp'")
    op.execute("UPDATE tools.tools SET side_effect = 'external' WHERE side_effect <> 'none'")
    op.alter_column("tools", "server_id", nullable=False, schema="tools")
    op.drop_column("tools", "definition", schema="tools")
    op.drop_column("tools", "output_schema", schema="tools")
    op.drop_column("tools", "kind", schema="tools")
