"""What this service keeps of a person: what they asked for, and what was drafted."""

from kgents_shared.personal_data import PersonalData, PersonalTable
from nl_agent_service.metadata import SCHEMA

PERSONAL_DATA = PersonalData(
    schema=SCHEMA,
    tables=(
        PersonalTable("drafts", "row.asked_by = %(subject)s OR row.owner_id = %(subject)s", hidden=("request_hash",)),
    ),
    impersonal={},
)
