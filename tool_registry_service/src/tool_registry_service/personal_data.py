"""What the registry keeps of a person, and what becomes of it when they are erased."""

from kgents_shared.personal_data import PersonalData, PersonalTable

_OF_SERVER = "row.server_id IN (SELECT id FROM tools.mcp_servers WHERE owner_id = %(subject)s)"

PERSONAL_DATA = PersonalData(
    schema="tools",
    tables=(
        PersonalTable("invocations"),
        # Calls of an organisation's agents that they asked for are the organisation's; what was asked goes.
        PersonalTable(
            "invocations",
            "row.principal = %(subject)s AND row.owner_id <> %(subject)s",
            becomes="arguments = '{}', result = NULL",
        ),
        PersonalTable("scratch_files"),
        PersonalTable("mcp_authorizations", "row.owner_id = %(subject)s OR row.started_by = %(subject)s"),
        PersonalTable("tools"),
        PersonalTable("tool_versions"),
        PersonalTable("wasm_servers", _OF_SERVER),
        PersonalTable("mcp_servers"),
        PersonalTable("wasm_modules", hidden=("source",)),
        PersonalTable("http_apis"),
        PersonalTable("permission_rules"),
        PersonalTable("capabilities"),
        PersonalTable("permission_marks"),
        PersonalTable("tool_costs"),
    ),
    impersonal={"outbox": "events on their way: ids and codes, gone once they are delivered"},
)
