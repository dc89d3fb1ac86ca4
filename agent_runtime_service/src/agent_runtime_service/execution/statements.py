"""The hot path's SQL: beginning a run, appending to it, ending it. One statement each, one round trip each.

Constraints decide, not locks: `uq_runs_active` lets one run of a conversation be active, the key of `steps` lets
one writer have a place in the transcript, and every write is fenced by the run's epoch.
"""

# What is read of a conversation whose transcript is, and what is remembered of it as the JSON of a contract
# `Remembered`: null where that is nothing, as it is of nearly all.
_CONVERSATION = "id, owner_id, context_from, summary, summary_of_seq, facts, shared_with"
_REMEMBERED = """
    CASE WHEN coalesce(summary, facts::text, shared_with) IS NOT NULL
        OR context_from > coalesce(summary_of_seq, 0) + 1 THEN json_build_object(
        'summary', summary,
        'gap', context_from > coalesce(summary_of_seq, 0) + 1,
        'facts', (
            SELECT coalesce(json_agg(json_build_object('key', fact.key, 'text', fact.value->>'text')
                ORDER BY fact.value->>'pinned_at', fact.key), '[]')
            FROM jsonb_each(coalesce(facts, '{}') || coalesce((
                SELECT shared.facts FROM runtime.shared_facts AS shared
                WHERE shared.owner_id = conversation.owner_id AND shared.shared_with = conversation.shared_with
            ), '{}')) AS fact
        ),
        'elsewhere', (
            SELECT coalesce(json_agg(json_build_object('agent', other.agent_name, 'summary', other.summary)), '[]')
            FROM (
                SELECT agent_name, summary FROM runtime.conversations AS near
                WHERE near.owner_id = conversation.owner_id AND near.shared_with = conversation.shared_with
                    AND near.id <> conversation.id AND near.summary IS NOT NULL
                ORDER BY near.id DESC LIMIT 3
            ) AS other
        )
    )::text END
"""
_TRANSCRIPT = """
    SELECT coalesce(max(seq), (SELECT context_from - 1 FROM conversation)) AS last,
        string_agg(payload::text, ',' ORDER BY seq) FILTER (WHERE in_context) AS messages
    FROM runtime.steps
    WHERE conversation_id = %(conversation_id)s AND seq >= (SELECT context_from FROM conversation)
"""

# A new conversation, its first run and the user's message. No row: the idempotency key is taken.
_BEGIN_NEW = """
WITH run AS (
    INSERT INTO runtime.runs (id, conversation_id, owner_id, principal, agent_id, agent_name, version, status, epoch,
        attempts, lease_holder, lease_expires_at, request_text, timeout_s, idempotency_key, request_hash, hops,
        retry, request_extras, started_at)
    VALUES (%(run_id)s, %(conversation_id)s, %(owner_id)s, %(principal)s, %(agent_id)s, %(agent_name)s, %(version)s,
        'running', 1, 1, %(holder)s, now() + %(lease)s, %(text)s, %(timeout_s)s, %(key)s, %(hash)s, %(hops)s,
        %(retry)s::jsonb, %(extras)s::json, now())
    ON CONFLICT DO NOTHING
    RETURNING id, conversation_id, owner_id, agent_id, agent_name
), conversation AS (
    INSERT INTO runtime.conversations (id, owner_id, agent_id, agent_name, lane, shared_with)
    SELECT conversation_id, owner_id, agent_id, agent_name, %(lane)s, %(shared_with)s FROM run
    RETURNING id, owner_id, context_from, summary, summary_of_seq, facts, shared_with
)
"""
BEGIN_NEW = f"""{_BEGIN_NEW}
INSERT INTO runtime.steps (conversation_id, seq, run_id, kind, payload)
SELECT conversation_id, 1, id, 'user', %(payload)s::json FROM run RETURNING seq, NULL
"""  # noqa: S608 -- our constants
# The same where the agent's conversations share what is remembered.
BEGIN_NEW_SHARED = f"""{_BEGIN_NEW}, step AS (
    INSERT INTO runtime.steps (conversation_id, seq, run_id, kind, payload)
    SELECT conversation_id, 1, id, 'user', %(payload)s::json FROM run RETURNING seq
)
SELECT seq, {_REMEMBERED} FROM step, conversation
"""  # noqa: S608 -- our constants
# The same where much was said before, elsewhere: that is no run's, and so has the conversation's id in its place.
BEGIN_TOLD = f"""{_BEGIN_NEW}, step AS (
    INSERT INTO runtime.steps (conversation_id, seq, run_id, kind, payload)
    SELECT conversation_id, told.seq, CASE WHEN told.seq > %(earlier)s THEN id ELSE conversation_id END, told.kind,
        told.payload::json
    FROM run, unnest(%(kinds)s::text[], %(payloads)s::text[]) WITH ORDINALITY AS told (kind, payload, seq)
    RETURNING seq
)
SELECT (SELECT max(seq) FROM step), {_REMEMBERED} FROM conversation
"""  # noqa: S608 -- our constants

# The next run of a conversation: `running` with the transcript read, or `queued` behind the open ones. No row: not
# this owner's conversation with this agent. A null status: a key or a place was taken meanwhile, or `waiting`.
BEGIN_NEXT = f"""
WITH conversation AS (
    SELECT {_CONVERSATION} FROM runtime.conversations
    WHERE id = %(conversation_id)s AND owner_id = %(owner_id)s AND agent_id = %(agent_id)s
), ahead AS (
    SELECT count(*) > 0 AS busy, coalesce(bool_or(status = 'waiting_approval'), false) AS waiting
    FROM runtime.runs
    WHERE conversation_id = %(conversation_id)s AND status IN ('queued', 'running', 'waiting_approval')
), transcript AS ({_TRANSCRIPT}), run AS (
    INSERT INTO runtime.runs (id, conversation_id, owner_id, principal, agent_id, agent_name, version, status, epoch,
        attempts, lease_holder, lease_expires_at, request_text, timeout_s, idempotency_key, request_hash, hops,
        retry, request_extras, started_at)
    SELECT %(run_id)s, conversation.id, %(owner_id)s, %(principal)s, %(agent_id)s, %(agent_name)s, %(version)s,
        CASE WHEN busy THEN 'queued' ELSE 'running' END, 1, 1, %(holder)s, now() + %(lease)s, %(text)s, %(timeout_s)s,
        %(key)s, %(hash)s, %(hops)s, %(retry)s::jsonb, %(extras)s::json,
        CASE WHEN busy THEN NULL ELSE now() END
    FROM conversation, ahead WHERE NOT waiting
    ON CONFLICT DO NOTHING
    RETURNING id, status
), step AS (
    INSERT INTO runtime.steps (conversation_id, seq, run_id, kind, payload)
    SELECT %(conversation_id)s, last + 1, run.id, 'user', %(payload)s::json
    FROM run, transcript WHERE run.status = 'running'
)
SELECT waiting, run.status, last + 1, messages, context_from, {_REMEMBERED}
FROM conversation, ahead, transcript LEFT JOIN run ON true
"""  # noqa: S608 -- our constants

# A queued run whose turn it is, or a null place where it isn't; then the status of the run whose turn it is. A unique
# violation says that it isn't.
PROMOTE = f"""
WITH conversation AS (
    SELECT {_CONVERSATION} FROM runtime.conversations WHERE id = %(conversation_id)s
), first AS (
    SELECT id, status FROM runtime.runs
    WHERE conversation_id = %(conversation_id)s AND status IN ('queued', 'running', 'waiting_approval')
    ORDER BY status = 'queued', id LIMIT 1
), transcript AS ({_TRANSCRIPT}), run AS (
    UPDATE runtime.runs SET status = 'running', started_at = now()
    WHERE id = %(run_id)s AND epoch = %(epoch)s AND status = 'queued' AND id = (SELECT id FROM first)
    RETURNING id
), step AS (
    INSERT INTO runtime.steps (conversation_id, seq, run_id, kind, payload)
    SELECT %(conversation_id)s, last + 1, run.id, 'user', %(payload)s::json FROM run, transcript
)
SELECT last + 1, messages, first.status, context_from, {_REMEMBERED}
FROM first CROSS JOIN conversation LEFT JOIN (run CROSS JOIN transcript) ON true
"""  # noqa: S608 -- our constants

# No row from any of the three: the lease is stale.
APPEND = """
WITH fence AS (
    SELECT id, conversation_id FROM runtime.runs
    WHERE id = %(run_id)s AND epoch = %(epoch)s AND status = 'running' FOR SHARE
)
INSERT INTO runtime.steps (conversation_id, seq, run_id, kind, payload)
SELECT conversation_id, %(seq)s, id, 'assistant', %(payload)s::json FROM fence RETURNING seq
"""

DISPATCH_TOOL = """
WITH fence AS (
    SELECT id, conversation_id FROM runtime.runs
    WHERE id = %(run_id)s AND epoch = %(epoch)s AND status = 'running' FOR SHARE
)
INSERT INTO runtime.tool_calls AS kept (run_id, tool_call_id, state, idempotency_key, name, arguments)
SELECT id, %(tool_call_id)s, 'dispatched', %(key)s, %(name)s, %(arguments)s::json FROM fence
ON CONFLICT (run_id, tool_call_id) DO UPDATE SET dispatches = kept.dispatches + 1,
    state = CASE WHEN kept.state = 'waiting' THEN 'dispatched' ELSE kept.state END
RETURNING state, result::text, awaited_run_id,
    dispatches > 1 AND approval_id IS NULL AND awaited_run_id IS NULL
"""

COMPLETE_TOOL = """
WITH fence AS (
    SELECT id, conversation_id FROM runtime.runs
    WHERE id = %(run_id)s AND epoch = %(epoch)s AND status = 'running' FOR SHARE
), call AS (
    UPDATE runtime.tool_calls AS kept SET state = %(state)s, result = %(payload)s::json, ended_at = now()
    FROM fence WHERE kept.run_id = fence.id AND kept.tool_call_id = %(tool_call_id)s
    RETURNING fence.id, fence.conversation_id
)
INSERT INTO runtime.steps (conversation_id, seq, run_id, kind, payload)
SELECT conversation_id, %(seq)s, id, 'tool', %(payload)s::json FROM call RETURNING seq
"""

# The run waits from here on, under no lease: for a person, or for another agent's run that does; what it was driven by
# has a stale epoch. The approval is kept also where the lease was stale, so that it can be cancelled.
SUSPEND = """
WITH call AS (
    UPDATE runtime.tool_calls SET state = 'waiting', approval_id = %(approval_id)s,
        approval_expires_at = %(expires_at)s, awaited_run_id = %(awaited_run_id)s
    WHERE run_id = %(run_id)s AND tool_call_id = %(tool_call_id)s AND state IN ('dispatched', 'waiting')
), run AS (
    UPDATE runtime.runs SET status = 'waiting_approval', epoch = epoch + 1, version = %(version)s,
        usage = %(usage)s::jsonb, waiting_since = now(), lease_expires_at = now()
    WHERE id = %(run_id)s AND epoch = %(epoch)s AND status = 'running' RETURNING id
), event AS (
    INSERT INTO runtime.outbox (id, subject, body) SELECT %(event_id)s, %(subject)s, %(event)s::jsonb FROM run
)
SELECT id FROM run
"""

COMPLETE = """
WITH run AS (
    UPDATE runtime.runs SET status = 'completed', version = %(version)s, usage = %(usage)s::jsonb, ended_at = now()
    WHERE id = %(run_id)s AND epoch = %(epoch)s AND status = 'running' RETURNING id, conversation_id
), event AS (
    INSERT INTO runtime.outbox (id, subject, body) SELECT %(event_id)s, %(subject)s, %(event)s::jsonb FROM run
)
INSERT INTO runtime.steps (conversation_id, seq, run_id, kind, payload)
SELECT conversation_id, %(seq)s, id, 'final', %(payload)s::json FROM run RETURNING seq
"""

# A failed run leaves the context. Its key is free again where it called no tool: then nothing of it had an effect.
FAIL = """
WITH run AS (
    UPDATE runtime.runs SET status = %(status)s, version = %(version)s, usage = %(usage)s::jsonb,
        error = %(error)s::jsonb, ended_at = now(),
        idempotency_key = CASE WHEN EXISTS (SELECT FROM runtime.tool_calls WHERE run_id = %(run_id)s)
            THEN idempotency_key END
    WHERE id = %(run_id)s AND epoch = %(epoch)s AND status IN ('queued', 'running') RETURNING id, conversation_id
), event AS (
    INSERT INTO runtime.outbox (id, subject, body) SELECT %(event_id)s, %(subject)s, %(event)s::jsonb FROM run
), steps AS (
    UPDATE runtime.steps SET in_context = false FROM run
    WHERE steps.conversation_id = run.conversation_id AND steps.run_id = run.id
)
SELECT id FROM run
"""

# A run whose try failed and that is tried again: nobody's until the pause is over, then whose front takes it up. Not
# where a call's effect is unknown: nobody but a person may say that it is asked for again.
TRY_AGAIN = """
UPDATE runtime.runs SET epoch = epoch + 1, attempts = 0, version = %(version)s, usage = %(usage)s::jsonb,
    lease_holder = '00000000-0000-0000-0000-000000000000', lease_expires_at = now() + %(pause)s,
    failed_tries = coalesce(failed_tries, '[]') || %(told)s::jsonb
WHERE id = %(run_id)s AND epoch = %(epoch)s AND status = 'running'
    AND NOT EXISTS (SELECT FROM runtime.tool_calls WHERE run_id = %(run_id)s AND state = 'unknown')
RETURNING id
"""

# A new epoch for a run that goes on elsewhere. The attempt is counted only for one that had begun; one that got further
# since it changed hands last has all its attempts again.
TAKE_OVER = """
UPDATE runtime.runs SET epoch = epoch + 1,
    (attempted_at_seq, attempts) = (
        SELECT max(seq), CASE WHEN runs.attempted_at_seq < max(seq) THEN 1 ELSE runs.attempts + 1 END
        FROM runtime.steps WHERE steps.conversation_id = runs.conversation_id
    )
WHERE id = %(run_id)s AND epoch = %(epoch)s AND status = 'running' RETURNING epoch, attempts
"""

TRANSCRIPT = f"""
WITH conversation AS (
    SELECT {_CONVERSATION} FROM runtime.conversations WHERE id = %(conversation_id)s
), transcript AS ({_TRANSCRIPT})
SELECT last + 1, messages, context_from, {_REMEMBERED} FROM conversation, transcript
"""  # noqa: S608 -- our constants

# What the model is shown no longer. The first column is null where the lease is stale, the second one where the context
# was reset meanwhile: then the change is void. The run's own messages never fall out.
CHANGE_CONTEXT = """
WITH fence AS (
    SELECT id, conversation_id FROM runtime.runs
    WHERE id = %(run_id)s AND epoch = %(epoch)s AND status = 'running' FOR SHARE
), kept AS (
    SELECT seq FROM runtime.steps
    WHERE conversation_id = (SELECT conversation_id FROM fence) AND seq >= %(context_from)s AND in_context
        AND seq <= (
            SELECT min(seq) FROM runtime.steps
            WHERE conversation_id = (SELECT conversation_id FROM fence) AND seq >= %(context_from)s
                AND run_id = %(run_id)s
        )
    ORDER BY seq OFFSET %(forgotten)s LIMIT 1
), moved AS (
    UPDATE runtime.conversations SET context_from = kept.seq, summary = coalesce(%(summary)s, summary),
        summary_of_seq = CASE WHEN %(summary)s::text IS NULL THEN summary_of_seq ELSE kept.seq - 1 END
    FROM fence, kept
    WHERE conversations.id = fence.conversation_id AND conversations.context_from = %(context_from)s
    RETURNING conversations.id, conversations.context_from
), told AS (
    INSERT INTO runtime.context_changes (id, conversation_id, run_id, reason, forgotten, context_from, summarised,
        failure, shortened, tokens_before, tokens_after)
    SELECT %(change_id)s, id, %(run_id)s, %(reason)s, %(forgotten)s, context_from, %(summary)s::text IS NOT NULL,
        %(failure)s, %(shortened)s, %(tokens_before)s, %(tokens_after)s
    FROM moved
)
SELECT fence.id, moved.context_from FROM fence LEFT JOIN moved ON true
"""

RENEW = """
UPDATE runtime.runs SET lease_expires_at = now() + %(lease)s
WHERE id = ANY(%(run_ids)s) AND lease_holder = %(holder)s AND status IN ('queued', 'running')
"""

# Runs that nobody drives any more, now ours. Queued ones have not been attempted yet.
ADOPT = """
UPDATE runtime.runs SET epoch = epoch + 1, lease_holder = %(holder)s, lease_expires_at = now() + %(lease)s,
    (attempted_at_seq, attempts) = (
        SELECT CASE WHEN runs.status = 'running' THEN max(seq) END,
            CASE WHEN runs.status = 'running' AND runs.attempted_at_seq < max(seq) THEN 1
                ELSE runs.attempts + (runs.status = 'running')::int END
        FROM runtime.steps WHERE steps.conversation_id = runs.conversation_id
    )
WHERE id IN (
    SELECT id FROM runtime.runs
    WHERE status IN ('queued', 'running') AND lease_expires_at < now() AND id <> ALL(%(mine)s)
    ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED
)
RETURNING id, conversation_id, owner_id, principal, agent_id, agent_name, version, status, epoch, attempts,
    request_text, timeout_s, extract(epoch FROM now() - started_at)::float - waited_s,
    (SELECT lane FROM runtime.conversations WHERE conversations.id = runs.conversation_id), hops, retry,
    coalesce(jsonb_array_length(failed_tries), 0), request_extras
"""

# A run that waited, now ours. What it waited for has time to be done in, whatever the run took before.
_RESUME = """
UPDATE runtime.runs SET status = 'running', epoch = epoch + 1, attempts = 1, lease_holder = %(holder)s,
    lease_expires_at = now() + %(lease)s, waiting_since = NULL,
    waited_s = greatest(
        waited_s + extract(epoch FROM now() - waiting_since),
        extract(epoch FROM now() - started_at) - timeout_s + least(timeout_s, %(least_s)s)
    )
WHERE status = 'waiting_approval' AND id IN ({which})
RETURNING id, conversation_id, owner_id, principal, agent_id, agent_name, version, status, epoch, attempts,
    request_text, timeout_s, extract(epoch FROM now() - started_at)::float - waited_s,
    (SELECT lane FROM runtime.conversations WHERE conversations.id = runs.conversation_id), hops, retry,
    coalesce(jsonb_array_length(failed_tries), 0), request_extras, usage
"""
# One whose approval is decided.
RESUME = _RESUME.format(
    which="SELECT run_id FROM runtime.tool_calls WHERE approval_id = %(approval_id)s AND state = 'waiting'"
)
# Those that wait for another agent's run, which has ended, or isn't there any more.
RESUME_ASKERS = _RESUME.format(
    which="""
    SELECT call.run_id FROM runtime.tool_calls AS call JOIN runtime.runs AS asking ON asking.id = call.run_id
    WHERE call.awaited_run_id IS NOT NULL AND call.state = 'waiting' AND asking.status = 'waiting_approval'
        AND NOT EXISTS (
            SELECT FROM runtime.runs AS asked WHERE asked.id = call.awaited_run_id AND asked.ended_at IS NULL
        )
    LIMIT 100
    """
)

# Approvals that runs wait for, in pages.
AWAITED = """
SELECT call.approval_id FROM runtime.tool_calls AS call JOIN runtime.runs AS run ON run.id = call.run_id
WHERE call.approval_id IS NOT NULL AND call.state = 'waiting' AND run.status = 'waiting_approval'
    AND call.approval_id > %(after)s
ORDER BY call.approval_id LIMIT 100
"""

# The calls that wait for a person, of the runs that `waiting` begins with and of those that these wait for.
AWAITED_CALLS = """
    UNION
    SELECT call.awaited_run_id FROM waiting JOIN runtime.tool_calls AS call ON call.run_id = waiting.id
    WHERE call.state = 'waiting' AND call.awaited_run_id IS NOT NULL
), awaited AS (
    SELECT call.approval_id, call.name, call.approval_expires_at, call.created_at, call.tool_call_id
    FROM waiting JOIN runtime.runs AS held ON held.id = waiting.id
        JOIN runtime.tool_calls AS call ON call.run_id = held.id
    WHERE held.status = 'waiting_approval' AND call.state = 'waiting' AND call.approval_id IS NOT NULL
)
"""
AWAITED_IN_CONVERSATION = f"""
WITH RECURSIVE waiting (id) AS (
    SELECT id FROM runtime.runs WHERE conversation_id = %(conversation_id)s AND status = 'waiting_approval'
    {AWAITED_CALLS}
SELECT approval_id, name, approval_expires_at FROM awaited ORDER BY created_at, tool_call_id
"""  # noqa: S608 -- our constants

# Runs that ended although a call of theirs waited: for an approval that nobody used, or for another's answer.
LEFT_WAITING = """
SELECT DISTINCT call.run_id FROM runtime.tool_calls AS call JOIN runtime.runs AS run ON run.id = call.run_id
WHERE (call.approval_id IS NOT NULL OR call.awaited_run_id IS NOT NULL) AND call.state IN ('waiting', 'dispatched')
    AND run.ended_at IS NOT NULL AND NOT run.stopping
LIMIT 100
"""

LEFT = """
UPDATE runtime.tool_calls SET state = CASE WHEN state = 'waiting' THEN 'cancelled' ELSE 'unknown' END, ended_at = now()
WHERE run_id = %(run_id)s AND coalesce(approval_id, awaited_run_id) IS NOT NULL AND state IN ('waiting', 'dispatched')
"""

# A front that is stopped takes nothing from the attempts of its runs: who takes them up counts one more.
RELEASE = """
UPDATE runtime.runs SET lease_expires_at = now(), attempts = attempts - (status = 'running')::int
WHERE id = ANY(%(run_ids)s) AND lease_holder = %(holder)s AND status IN ('queued', 'running')
"""

SPENT = """
SELECT coalesce(sum(prompt_tokens), 0)::bigint, coalesce(sum(completion_tokens), 0)::bigint,
    coalesce(bool_or(estimated), false), (count(*) FILTER (WHERE purpose IS DISTINCT FROM 'tool'))::int,
    CASE WHEN bool_or(cost IS NULL) THEN NULL ELSE coalesce(sum(cost), 0) END, count(*) FILTER (WHERE from_cache)::int,
    coalesce(sum(cost) FILTER (WHERE purpose = 'tool'), 0)
FROM runtime.model_calls WHERE run_id = %(run_id)s
"""

SPENT_IN_VAIN = """
UPDATE runtime.runs SET version = %(version)s, usage = %(usage)s::jsonb WHERE id = %(run_id)s AND status = 'cancelled'
"""

KEY_TAKEN = """
SELECT 1 FROM runtime.runs WHERE owner_id = %(owner_id)s AND agent_id = %(agent_id)s AND idempotency_key = %(key)s
"""

IS_MINE = (
    "SELECT 1 FROM runtime.steps WHERE conversation_id = %(conversation_id)s AND seq = %(seq)s AND run_id = %(run_id)s"
)

STATUS = "SELECT status, epoch FROM runtime.runs WHERE id = %(run_id)s"

LANE = "SELECT lane FROM runtime.conversations WHERE id = %(conversation_id)s AND owner_id = %(owner_id)s"
