"""What is erased of a person in conversations that are an organisation's."""

from typing import Any
from uuid import uuid4

import orjson

from agent_runtime_service.memories.embeddings.embedder import content_hash
from agent_runtime_service.personal_data import PERSONAL_DATA
from kgents_shared.db import open_pool

SAID = "canary-4711"


async def test_what_an_organisations_agents_were_told_for_a_person_goes_with_them(database_url: str):
    """In its contexts, and where one of its agents asked another: those runs are the organisation's."""
    person, organisation, conversation, agent = (str(uuid4()) for _ in range(4))
    theirs, others, told, asked, after, again = (str(uuid4()) for _ in range(6))
    values: dict[str, Any] = {"person": person, "org": organisation, "conversation": conversation, "agent": agent}

    async with open_pool(database_url, max_size=2) as pool, pool.connection() as connection:
        await connection.execute(
            "INSERT INTO runtime.conversations (id, owner_id, agent_id, agent_name, summary, summary_of_seq) "
            "VALUES (%(conversation)s, %(org)s, %(agent)s, 'helper', %(said)s, 1)",
            {**values, "said": f"They said {SAID}."},
        )
        said = [(theirs, person, SAID), (others, "somebody", "Hello")]
        # Somebody else's run that was told their words, one that it asked, one that was told of its answer, and one
        # that repeats a run of theirs.
        said += [(told, "somebody", f"They say {SAID}"), (asked, "somebody", SAID), (after, "somebody", SAID)]
        said.append((again, "somebody", SAID))
        for seq, (run, principal, text) in enumerate(said, start=2):
            row = {**values, "run": run, "principal": principal, "text": text, "seq": seq, "id": uuid4()}
            row["payload"] = orjson.dumps({"role": "user", "text": text}).decode()
            await connection.execute(
                "INSERT INTO runtime.runs (id, conversation_id, owner_id, principal, agent_id, agent_name, version, "
                "status, epoch, attempts, lease_holder, lease_expires_at, request_text, timeout_s, ended_at) VALUES "
                "(%(run)s, %(conversation)s, %(org)s, %(principal)s, %(agent)s, 'helper', 1, 'completed', 1, 1, "
                "%(agent)s, now(), %(text)s, 60, now())",
                row,
            )
            await connection.execute(
                "INSERT INTO runtime.steps (conversation_id, seq, run_id, kind, payload) "
                "VALUES (%(conversation)s, %(seq)s, %(run)s, 'user', %(payload)s::json)",
                row,
            )
            await connection.execute(
                "INSERT INTO runtime.tool_calls (run_id, tool_call_id, state, idempotency_key, name, arguments) "
                "VALUES (%(run)s, 'call', 'completed', 'key', 'ask', %(payload)s::json)",
                row | ({"payload": "{}"} if run == after else {}),
            )
            await connection.execute(
                "INSERT INTO runtime.model_calls (id, run_id, owner_id, provider, model, prompt_tokens, "
                "completion_tokens, estimated, tries, duration_ms, created_at, prompt) VALUES "
                "(%(id)s, %(run)s, %(org)s, 'openai', 'fake', 1, 1, false, 1, 1, now(), %(said)s)",
                {**row, "said": SAID.encode()},
            )
        await connection.execute(
            "INSERT INTO runtime.run_quotes (run_id, principal, first_hand) VALUES (%s, %s, true), (%s, %s, false)",
            (told, person, after, person),
        )
        await connection.execute(
            "INSERT INTO runtime.run_origins (run_id, asked_by_run, replay_of) VALUES (%s, %s, NULL), (%s, NULL, %s)",
            (asked, told, again, theirs),
        )
        space = {**values, "space": uuid4(), "memory": uuid4(), "text": SAID}
        await connection.execute(
            "INSERT INTO runtime.memory_spaces (id, owner_id, scope, subject, items) "
            "VALUES (%(space)s, %(org)s, 'agent', %(agent)s, 1)",
            space,
        )
        await connection.execute(
            "INSERT INTO runtime.memories (id, owner_id, agent_id, key, text, space_id, scope, principal, tags) "
            "VALUES (%(memory)s, %(org)s, %(agent)s, 'key', %(text)s, %(space)s, 'agent', %(person)s, '{}')",
            space,
        )
        for text in (SAID, "Hello"):
            vector = {**values, "hash": content_hash(text)}
            await connection.execute(
                "INSERT INTO runtime.embeddings (owner_id, model, content_hash, vector) "
                "VALUES (%(org)s, 'tiny', %(hash)s, 'x')",
                vector,
            )
        await connection.commit()

        lines = [line async for line in PERSONAL_DATA.export(database_url, person)]
        given_out = b"".join(line for line in lines if b'"table":"memories"' not in line)
        assert theirs.encode() in given_out
        assert SAID.encode() not in given_out  # what an organisation's agents say to each other is the organisation's
        assert await PERSONAL_DATA.erase(database_url, person) == 0

        left = ""
        for table in ("conversations", "runs", "steps", "tool_calls", "model_calls"):
            whose = "owner_id = %(org)s" if table != "steps" else "conversation_id = %(conversation)s"
            whose = "run_id = ANY(%(runs)s::uuid[])" if table == "tool_calls" else whose
            statement: Any = f"SELECT to_jsonb(row)::text FROM runtime.{table} AS row WHERE {whose}"  # noqa: S608
            cursor = await connection.execute(statement, {**values, "runs": [run for run, _, _ in said]})
            left += str(await cursor.fetchall())
        assert SAID not in left
        assert SAID.encode().hex() not in left
        assert others in left  # what others said stays
        assert all(run in left for run in (told, asked, after, again))  # that they asked, too
        rows = await connection.execute("SELECT content_hash FROM runtime.embeddings WHERE owner_id = %(org)s", values)
        assert await rows.fetchall() == [(content_hash("Hello"),)]
