"""What governance keeps of a person, and what becomes of it when they are erased.

That something was asked, and who decided it, stays on record under their ids (ADR 24). What it said goes.
"""

from governance_service.metadata import SCHEMA
from kgents_shared.personal_data import PersonalData, PersonalTable

_ASKED = "row.owner_id = %(subject)s OR row.principal = %(subject)s"
_APPROVALS = f"SELECT row.id FROM governance.approvals AS row WHERE {_ASKED}"  # noqa: S608 -- our constants
_OF_POLICY = "row.policy_id IN (SELECT id FROM governance.policies WHERE owner_id = %(subject)s)"

PERSONAL_DATA = PersonalData(
    schema=SCHEMA,
    tables=(
        PersonalTable(
            "approval_records",
            f"row.who = %(subject)s OR row.approval_id IN ({_APPROVALS})",
            becomes="note = NULL",
        ),
        PersonalTable(
            "approvals",
            _ASKED,
            becomes="payload = '{}', summary = '', note = NULL, agent_name = NULL, action = 'erased', "
            "status = CASE WHEN status IN ('pending', 'approved') THEN 'cancelled' ELSE status END",
        ),
        PersonalTable("policy_versions", _OF_POLICY, becomes="text = NULL"),
        PersonalTable(
            "policies",
            becomes="text = '', description = '', enabled = false, name = 'erased-' || row.id, "
            "deleted_at = coalesce(deleted_at, now())",
        ),
    ),
    impersonal={"outbox": "events on their way: ids and codes, gone once they are delivered"},
)
