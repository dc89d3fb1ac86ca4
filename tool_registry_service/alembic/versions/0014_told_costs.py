"""what a tool costs is told as a change of its owner's tools"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

OCCASIONS = {"INSERT": "NEW", "UPDATE": "NEW", "DELETE": "OLD"}


def upgrade() -> None:
    for occasion, rows in OCCASIONS.items():
        op.execute(f"""
            CREATE TRIGGER tool_costs_told_{occasion.lower()} AFTER {occasion} ON tools.tool_costs
            REFERENCING {rows} TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION tools.tell_tools_changed()
        """)


def downgrade() -> None:
    for occasion in OCCASIONS:
        op.execute(f"DROP TRIGGER tool_costs_told_{occasion.lower()} ON tools.tool_costs")
