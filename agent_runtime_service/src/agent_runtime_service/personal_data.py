"""What the runtime keeps of a person, and what becomes of it when they are erased."""

from typing import cast

import psycopg
from fastapi import FastAPI

from agent_runtime_service.cancelling.service import CancellingService
from agent_runtime_service.clients import RecordedToolCalls
from agent_runtime_service.metadata import SCHEMA
from agent_runtime_service.settings import RuntimeSettings
from kgents_shared.personal_data import PersonalData, PersonalTable

_OF_CONVERSATION = (
    "row.conversation_id IN (SELECT id FROM runtime.conversations WHERE owner_id = %(subject)s)"  # as all these are
)
_OF_RUN = "row.run_id IN (SELECT id FROM runtime.runs WHERE owner_id = %(subject)s)"
# Runs of an organisation's that they had done: in its contexts, and where an agent of its asked another for them.
_ELSEWHERE = "SELECT id FROM runtime.runs WHERE owner_id <> %(subject)s AND principal = %(subject)s"
_OF_RUN_ELSEWHERE = f"row.run_id IN ({_ELSEWHERE})"
_HEARD_THEM = "SELECT conversation_id FROM runtime.runs WHERE owner_id <> %(subject)s AND principal = %(subject)s"
_AFTER_THEM = f"SELECT id FROM runtime.runs WHERE conversation_id IN ({_HEARD_THEM})"  # noqa: S608 -- our constants
# Runs of others that were told their words or repeat a run of theirs, and the runs that those asked or that repeat
# them; and those told of what such a run answered.
_TOLD = f"""
WITH RECURSIVE told (id) AS (
    SELECT run_id FROM runtime.run_quotes WHERE principal = %(subject)s AND first_hand
    UNION SELECT run_id FROM runtime.run_origins WHERE replay_of IN ({_ELSEWHERE})
    UNION SELECT origin.run_id FROM runtime.run_origins AS origin
        JOIN told ON origin.asked_by_run = told.id OR origin.replay_of = told.id
) SELECT id FROM told
"""  # noqa: S608 -- our constants
_TOLD_AFTER = "SELECT run_id FROM runtime.run_quotes WHERE principal = %(subject)s AND NOT first_hand"
_WHERE_TOLD = f"SELECT conversation_id FROM runtime.runs WHERE id IN ({_TOLD}) OR id IN ({_TOLD_AFTER})"  # noqa: S608
_RUNS_WHERE_TOLD = f"SELECT id FROM runtime.runs WHERE conversation_id IN ({_WHERE_TOLD})"  # noqa: S608
_ERASED = "[erased]"
_MOST_AT_ONCE = 100
_OF_GROUP = "row.context_id IN (SELECT id FROM runtime.multi_agent_contexts WHERE owner_id = %(subject)s)"
_OF_EXCHANGE = (
    "row.exchange_id IN "
    "(SELECT id FROM runtime.context_exchanges WHERE owner_id = %(subject)s OR principal = %(subject)s)"
)
_OF_BUDGET = "row.budget_id IN (SELECT id FROM runtime.budgets WHERE owner_id = %(subject)s)"
_MEMORY = "row.owner_id = %(subject)s OR row.principal = %(subject)s"
_OPEN = f"""
SELECT id, owner_id FROM runtime.runs WHERE status IN ('queued', 'running', 'waiting_approval')
    AND (owner_id = %(subject)s OR principal = %(subject)s OR id IN ({_TOLD}))
"""  # noqa: S608 -- our constants
# The backend that has the meaning of memories beside the database is told by these rows what to drop.
_TELL_BACKEND = """
INSERT INTO runtime.memory_removals (memory_id)
SELECT id FROM runtime.memories WHERE owner_id = %(subject)s OR principal = %(subject)s ON CONFLICT DO NOTHING
"""

PERSONAL_DATA = PersonalData(
    schema=SCHEMA,
    tables=(
        # What was said where agents were told their words for others: nobody can tell what of it repeats them.
        PersonalTable(
            "context_messages",
            f"row.kind = 'agent' AND row.run_id IN ({_TOLD})",
            becomes=f"body = '{_ERASED}'",
            given_out=False,
        ),
        PersonalTable("tool_calls", f"row.run_id IN ({_TOLD})", given_out=False),
        PersonalTable("steps", f"row.conversation_id IN ({_WHERE_TOLD}) AND row.run_id IN ({_TOLD})", given_out=False),
        PersonalTable(
            "steps",
            f"row.kind = 'user' AND row.conversation_id IN ({_WHERE_TOLD}) AND row.run_id IN ({_TOLD_AFTER})",
            becomes=f"payload = json_build_object('role', 'user', 'text', '{_ERASED}')",
            given_out=False,
        ),
        PersonalTable(
            "model_calls",
            f"row.run_id IN ({_RUNS_WHERE_TOLD})",
            becomes="prompt = NULL",
            given_out=False,
            hidden=("prompt",),
        ),
        PersonalTable(
            "conversations",
            f"row.id IN ({_WHERE_TOLD})",
            becomes="summary = NULL, summary_of_seq = NULL",
            given_out=False,
        ),
        PersonalTable(
            "runs",
            f"row.id IN ({_TOLD}) OR row.id IN ({_TOLD_AFTER})",
            becomes=f"request_text = '{_ERASED}', request_extras = NULL, request_hash = NULL",
            given_out=False,
            hidden=("request_hash",),
        ),
        PersonalTable("run_quotes", becomes="", whose="row.principal = %(subject)s", given_out=False),
        PersonalTable("run_quotes", f"{_OF_RUN} OR {_OF_RUN_ELSEWHERE}", given_out=False),
        PersonalTable("context_changes", _OF_CONVERSATION),
        PersonalTable("remote_contexts", _OF_CONVERSATION),
        # What was said in an organisation's contexts for them goes, too.
        PersonalTable("context_turns", _OF_EXCHANGE),
        PersonalTable("context_messages", f"{_OF_GROUP} OR row.governance->>'principal' = %(subject)s"),
        PersonalTable(
            "context_exchanges",
            "row.owner_id = %(subject)s OR row.principal = %(subject)s",
            hidden=("request_hash",),
        ),
        PersonalTable("context_participants", _OF_GROUP),
        PersonalTable("multi_agent_contexts", hidden=("request_hash",)),
        # Of those runs nobody is given more than that there were any: what they gave is the organisation's.
        PersonalTable("context_changes", _OF_RUN_ELSEWHERE),
        PersonalTable("tool_calls", _OF_RUN_ELSEWHERE, hidden=("arguments", "result")),
        PersonalTable("run_origins", _OF_RUN_ELSEWHERE),
        PersonalTable("run_incidents", _OF_RUN_ELSEWHERE),
        PersonalTable("steps", _OF_RUN_ELSEWHERE, hidden=("payload",)),
        PersonalTable(
            "model_calls",
            f"row.owner_id <> %(subject)s AND row.run_id IN ({_AFTER_THEM})",
            becomes="prompt = NULL",
            hidden=("prompt",),
        ),
        PersonalTable(
            "conversations",
            f"row.id IN ({_HEARD_THEM})",
            becomes="summary = NULL, summary_of_seq = NULL",
            hidden=("summary", "facts"),
        ),
        PersonalTable(
            "runs",
            "row.owner_id <> %(subject)s AND row.principal = %(subject)s",
            hidden=("request_text", "request_extras", "request_hash"),
        ),
        PersonalTable("task_pushes", hidden=("token",)),
        PersonalTable("tool_calls", _OF_RUN),
        PersonalTable("run_origins", _OF_RUN),
        PersonalTable("run_incidents", _OF_RUN),
        PersonalTable("steps", _OF_CONVERSATION),
        # A run that is under way loses its row, and with it the right to store anything more.
        PersonalTable("runs", hidden=("request_hash",)),
        PersonalTable("conversations"),
        PersonalTable("shared_facts"),
        # What an organisation's agent keeps of them goes, too, and its space has that much less in it.
        PersonalTable(
            "memory_spaces",
            "row.owner_id <> %(subject)s AND row.id IN "
            "(SELECT space_id FROM runtime.memories WHERE principal = %(subject)s)",
            becomes="items = items - (SELECT count(*) FROM runtime.memories AS theirs "
            "WHERE theirs.space_id = row.id AND theirs.principal = %(subject)s)",
        ),
        PersonalTable(
            "embeddings",
            "row.owner_id <> %(subject)s AND row.content_hash IN "
            "(SELECT sha256(convert_to(text, 'UTF8')) FROM runtime.memories WHERE principal = %(subject)s "
            "UNION ALL SELECT sha256(convert_to(text, 'UTF8')) FROM runtime.memory_versions "
            "WHERE principal = %(subject)s)",
            hidden=("content_hash", "vector"),
        ),
        PersonalTable("memory_versions", _MEMORY),
        PersonalTable("memories", _MEMORY, hidden=("words",)),
        PersonalTable("memory_spaces", "row.owner_id = %(subject)s OR row.subject = %(subject)s"),
        PersonalTable("embeddings", hidden=("content_hash", "vector")),
        PersonalTable("kept_answers", hidden=("request_hash", "body")),
        PersonalTable("deliveries"),
        PersonalTable("capability_keys"),
        PersonalTable("public_cards"),
        PersonalTable("budget_allotments", _OF_BUDGET),
        PersonalTable("budget_windows", _OF_BUDGET),
        PersonalTable("budgets"),
        PersonalTable("instances", hidden=("token_hash",)),
        # What calls cost stays in the sums of those who paid for them, without what was asked, and of which tool.
        PersonalTable(
            "model_calls",
            becomes="prompt = NULL, run_id = NULL, agent_name = NULL, "
            "model = CASE WHEN purpose = 'tool' THEN purpose ELSE model END",
            hidden=("prompt",),
        ),
        PersonalTable(
            "model_calls",
            "row.agent_owner_id = %(subject)s AND row.owner_id <> %(subject)s",
            becomes="agent_name = NULL, model = CASE WHEN purpose = 'tool' THEN purpose ELSE model END",
            hidden=("prompt",),
        ),
        PersonalTable("model_prices", "row.updated_by = %(subject)s", becomes=""),
    ),
    impersonal={
        "agent_activity": "when an agent had its newest run, whoever asked for it",
        "outbox": "events on their way: ids and codes, gone once they are delivered",
        "passing_conversations": "ids of conversations that are deleted when they are answered",
        "memory_removals": "ids of memories that are gone",
        "memory_copyings": "counts",
        "provider_paces": "how far the line before an account at a provider is, gone a day after",
    },
)


async def end_and_drop(app: FastAPI, subject: str) -> None:
    """End the runs that say something of a person, and have forgotten elsewhere what goes with them.

    That is the meaning of their memories, and the calls of tools in which their words were passed on.
    """
    url = cast("RuntimeSettings", app.state.settings).database_url.get_secret_value()
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute(_TELL_BACKEND, {"subject": subject})
        runs = await (await connection.execute(_OPEN, {"subject": subject})).fetchall()
        told = await (await connection.execute(_TOLD, {"subject": subject})).fetchall()
    await cast("CancellingService", app.state.cancelling).end_all([(row[0], row[1]) for row in runs])
    calls, ids = cast("RecordedToolCalls", app.state.recorded_calls), [row[0] for row in told]
    for first in range(0, len(ids), _MOST_AT_ONCE):
        await calls.empty(ids[first : first + _MOST_AT_ONCE])
