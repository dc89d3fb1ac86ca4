"""records let what they said of an erased person go"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCHEMA = "governance"
# Set for one transaction by what erases a person, and by nothing else.
_ERASING = "current_setting('kgents.erasing', true) = 'on'"
_GUARD = """
        CREATE OR REPLACE FUNCTION {schema}.guard_approval() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'DELETE' THEN
                RAISE EXCEPTION 'an approval is never deleted';
            END IF;{erasing}
            IF to_jsonb(OLD) - ARRAY['status', 'note', 'decided_by', 'decided_at']
                IS DISTINCT FROM to_jsonb(NEW) - ARRAY['status', 'note', 'decided_by', 'decided_at'] THEN
                RAISE EXCEPTION 'what an approval is about never changes';
            END IF;
            IF OLD.status NOT IN ('pending', 'approved') OR (OLD.status, NEW.status) = ('pending', 'consumed')
                OR (OLD.status, NEW.status) = ('approved', 'pending')
                OR (OLD.decided_by IS NOT NULL
                    AND (OLD.decided_by, OLD.decided_at) IS DISTINCT FROM (NEW.decided_by, NEW.decided_at)) THEN
                RAISE EXCEPTION 'an approval that is % does not become %', OLD.status, NEW.status;
            END IF;
            RETURN NEW;
        END $$
"""
_REFUSE = """
        CREATE OR REPLACE FUNCTION {schema}.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN{erasing}
            RAISE EXCEPTION 'a record never changes';
        END $$
"""
# Who asked, who decided, when, and the hash of what it was about stay as they are even then.
_KEPT = "ARRAY['status', 'note', 'payload', 'summary', 'agent_name', 'action']"
_ERASING_APPROVAL = f"""
            IF {_ERASING} AND to_jsonb(OLD) - {_KEPT} IS NOT DISTINCT FROM to_jsonb(NEW) - {_KEPT} THEN
                RETURN NEW;
            END IF;"""
_ERASING_RECORD = f"""
            IF {_ERASING} AND TG_OP = 'UPDATE'
                AND to_jsonb(OLD) - ARRAY['note', 'text'] IS NOT DISTINCT FROM to_jsonb(NEW) - ARRAY['note', 'text'] THEN
                RETURN NEW;
            END IF;"""


def upgrade() -> None:
    op.execute(_GUARD.format(schema=SCHEMA, erasing=_ERASING_APPROVAL))
    op.execute(_REFUSE.format(schema=SCHEMA, erasing=_ERASING_RECORD))


def downgrade() -> None:
    op.execute(_GUARD.format(schema=SCHEMA, erasing=""))
    op.execute(_REFUSE.format(schema=SCHEMA, erasing=""))
