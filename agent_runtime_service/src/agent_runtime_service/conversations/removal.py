"""What a conversation consists of, deleted with it. What model calls cost stays counted: it says nothing of anybody."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import psycopg

# In this order: what refers to a row goes before it.
_RUNS = "SELECT id FROM runtime.runs WHERE conversation_id = ANY(%(ids)s)"
_REMOVE: Final = (
    # The backend that has the meaning of memories beside the database is told by these rows what to drop.
    """
    INSERT INTO runtime.memory_removals (memory_id)
    SELECT memory.id FROM runtime.memories AS memory JOIN runtime.memory_spaces AS space ON space.id = memory.space_id
    WHERE space.scope = 'conversation' AND space.subject = ANY(%(ids)s::text[]) ON CONFLICT DO NOTHING
    """,
    "DELETE FROM runtime.memory_spaces WHERE scope = 'conversation' AND subject = ANY(%(ids)s::text[])",
    f"UPDATE runtime.model_calls SET prompt = NULL WHERE run_id IN ({_RUNS})",  # noqa: S608 -- our constants
    f"DELETE FROM runtime.run_origins WHERE run_id IN ({_RUNS})",  # noqa: S608 -- our constants
    f"DELETE FROM runtime.run_quotes WHERE run_id IN ({_RUNS})",  # noqa: S608 -- our constants
    "DELETE FROM runtime.context_changes WHERE conversation_id = ANY(%(ids)s)",
    f"DELETE FROM runtime.tool_calls WHERE run_id IN ({_RUNS})",  # noqa: S608 -- our constants
    "DELETE FROM runtime.steps WHERE conversation_id = ANY(%(ids)s)",
    "DELETE FROM runtime.runs WHERE conversation_id = ANY(%(ids)s)",
    "DELETE FROM runtime.conversations WHERE id = ANY(%(ids)s)",
)


async def remove_conversations(connection: psycopg.AsyncConnection[Any], ids: Sequence[UUID]) -> None:
    """Delete the conversations with those ids, in the transaction of `connection`."""
    for statement in _REMOVE:
        await connection.execute(statement, {"ids": list(ids)})
