"""Answers of models that are given again to the very same request, where a definition asks for that (`llm.cache_s`).

Same owner, same agent, same account, same request to the byte: what a tool said since is in the request, so that
another result is another request. Nobody else's run is ever answered with it.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from agent_runtime_service.gateway.choice import PlannedModel
from kgents_shared.db import HotPool

_log = structlog.get_logger("kgents.runtime.kept_answers")
MOST_BYTES: Final = 256 * 1024
MOST_OF_AGENT: Final = 1000
_FIND = """
SELECT content_type, body FROM runtime.kept_answers
WHERE owner_id = %(owner_id)s AND agent_id = %(agent_id)s AND request_hash = %(hash)s AND expires_at > now()
"""
_KEEP = """
WITH gone AS (
    DELETE FROM runtime.kept_answers WHERE owner_id = %(owner_id)s AND agent_id = %(agent_id)s AND request_hash IN (
        SELECT request_hash FROM runtime.kept_answers WHERE owner_id = %(owner_id)s AND agent_id = %(agent_id)s
        ORDER BY created_at DESC OFFSET %(most)s
    )
)
INSERT INTO runtime.kept_answers (owner_id, agent_id, request_hash, content_type, body, expires_at)
VALUES (%(owner_id)s, %(agent_id)s, %(hash)s, %(content_type)s, %(body)s, now() + %(kept)s)
ON CONFLICT (owner_id, agent_id, request_hash) DO UPDATE SET content_type = excluded.content_type,
    body = excluded.body, created_at = now(), expires_at = excluded.expires_at
"""
_CLEAN = "DELETE FROM runtime.kept_answers WHERE expires_at < now()"


@dataclass(frozen=True, slots=True)
class AnswerKey:
    """Whose question it is, to which agent, and the hash of all that decides on the answer."""

    owner_id: str
    agent_id: UUID
    request_hash: bytes
    kept_s: int

    @property
    def values(self) -> dict[str, Any]:
        """For the statements."""
        return {"owner_id": self.owner_id, "agent_id": self.agent_id, "hash": self.request_hash}


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer as it came, on the wire that it came on."""

    content_type: str
    body: bytes


def key_of(owner_id: str, agent_id: UUID, kept_s: int, model: PlannedModel, path: str, raw: bytes) -> AnswerKey:
    """The key of a request to a model."""
    choice, use = model.choice, model.credential
    account = "" if use is None else use.credential_ref
    where = "" if model.remote is None else model.remote.url
    about = (choice.provider, choice.model, choice.temperature, choice.max_tokens, account, path, where)
    digest = hashlib.sha256(repr(about).encode())
    digest.update(raw)
    return AnswerKey(owner_id, agent_id, digest.digest(), kept_s)


class KeptAnswers:
    """Finds and keeps them. Without the database there are none, and models are asked."""

    def __init__(self, pool: HotPool) -> None:
        self._pool = pool

    async def find(self, key: AnswerKey) -> KeptAnswer | None:
        """The answer that was kept for the same request, if it is fresh."""
        try:
            async with self._pool.connection() as connection:
                row = await (await connection.execute(_FIND, key.values)).fetchone()
        except (psycopg.Error, PoolTimeout) as error:
            _log.warning("kept_answers_away", error=repr(error))
            return None
        return None if row is None else KeptAnswer(row[0], row[1])

    async def keep(self, key: AnswerKey, answer: KeptAnswer) -> None:
        """Keep an answer, in place of the agent's oldest where it has too many."""
        values = key.values | {
            "content_type": answer.content_type,
            "body": answer.body,
            "kept": timedelta(seconds=key.kept_s),
            "most": MOST_OF_AGENT - 1,
        }
        try:
            async with self._pool.connection() as connection:
                await connection.execute(_KEEP, values)
                await connection.execute(_CLEAN)
        except (psycopg.Error, PoolTimeout) as error:
            _log.warning("answer_not_kept", error=repr(error))
