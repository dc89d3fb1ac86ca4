"""The hot path's SQL: beginning a run, appending to it, ending it. One statement each, one round trip each.

Constraints decide, not locks: `uq_runs_active` lets one run of a conversation be active, the key of `steps` lets
one writer have a place in the transcript, and every write is fenced by the run's epoch.
"""

# A new conversation, its first run and the user's message. No row: the idempotency key is taken.
BEGIN_NEW = """
WITH run AS (
    INSERT INTO runtime.runs (id, conversation_id, owner_id, principal, agent_id, agent_name, version, status, epoch,
        attempts, lease_holder, lease_expires_at, request_text, timeout_s, idempotency_key, request_hash, hops,
        started_at)
    VALUES (%(run_id)s, %(conversation_id)s, %(owner_id)s, %(principal)s, %(agent_id)s, %(agent_name)s, %(version)s,
        'running', 1, 1, %(holder)s, now() + %(lease)s, %(text)s, %(timeout_s)s, %(key)s, %(hash)s, %(hops)s, now())
    ON CONFLICT DO NOTHING
    RETURNING id, conversation_id, owner_id, agent_id, agent_name
), conversation AS (
    INSERT INTO runtime.conversations (id, owner_id, agent_id, agent_name, lane)
    SELECT conversation_id, owner_id, agent_id, agent_name, %(lane)s FROM run
)
INSERT INTO runtime.steps (conversation_id, seq, run_id, kind, payload)
SELECT conversation_id, 1, id, 'user', %(payload)s::json FROM run RETURNING seq
"""

# The next run of a conversation: `running` with the transcript read, or `queued` behind the open ones. No row: not
# this owner's conversation with this agent. A null status: a key or a place was taken meanwhile, or `waiting`.
BEGIN_NEXT = """
WITH conversation AS (
    SELECT id FROM runtime.conversations
    WHERE id = %(conversation_id)s AND owner_id = %(owner_id)s AND agent_id = %(agent_id)s
), ahead AS (
    SELECT count(*) > 0 AS busy, coalesce(bool_or(status = 'waiting_approval'), false) AS waiting
    FROM runtime.runs
    WHERE conversation_id = %(conversation_id)s AND status IN ('queued', 'running', 'waiting_approval')
), transcript AS (
    SELECT coalesce(max(seq), 0) AS last,
        string_agg(payload::text, ',' ORDER BY seq) FILTER (WHERE in_context) AS messages
    FROM runtime.steps WHERE conversation_id = %(conversation_id)s
), run AS (
    INSERT INTO runtime.runs (id, conversation_id, owner_id, principal, agent_id, agent_name, version, status, epoch,
        attempts, lease_holder, lease_expires_at, request_text, timeout_s, idempotency_key, request_hash, hops,
        started_at)
    SELECT %(run_id)s, conversation.id, %(owner_id)s, %(principal)s, %(agent_id)s, %(agent_name)s, %(version)s,
        CASE WHEN busy THEN 'queued' ELSE 'running' END, 1, 1, %(holder)s, now() + %(lease)s, %(text)s, %(timeout_s)s,
        %(key)s, %(hash)s, %(hops)s, CASE WHEN busy THEN NULL ELSE now() END
    FROM conversation, ahead WHERE NOT waiting
    ON CONFLICT DO NOTHING
    RETURNING id, status
), step AS (
    INSERT INTO runtime.steps (conversation_id, seq, run_id, kind, payload)
    SELECT %(conversation_id)s, last + 1, run.id, 'user', %(payload)s::json
    FROM run, transcript WHERE run.status = 'running'
)
SELECT waiting, run.status, last + 1, messages FROM conversation, ahead, transcript LEFT JOIN run ON true
"""

# A queued run whose turn it is, or a null place where it isn't; then the status of the run whose turn it is. A unique
# violation says that it isn't.
PROMOTE = """
WITH first AS (
    SELECT id, status FROM runtime.runs
    WHERE conversation_id = %(conversation_id)s AND status IN ('queued', 'running', 'waiting_approval')
    ORDER BY status = 'queued', id LIMIT 1
), transcript AS (
    SELECT coalesce(max(seq), 0) AS last,
        string_agg(payload::text, ',' ORDER BY seq) FILTER (WHERE in_context) AS messages
    FROM runtime.steps WHERE conversation_id = %(conversation_id)s
), run AS (
    UPDATE runtime.runs SET status = 'running', started_at = now()
    WHERE id = %(run_id)s AND epoch = %(epoch)s AND status = 'queued' AND id = (SELECT id FROM first)
    RETURNING id
), step AS (
    INSERT INTO runtime.steps (conversation_id, seq, run_id, kind, payload)
    SELECT %(conversation_id)s, last + 1, run.id, 'user', %(payload)s::json FROM run, transcript
)
SELECT last + 1, messages, first.status FROM first LEFT JOIN (run CROSS JOIN transcript) ON true
"""

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
RETURNING state, result::text
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

# The run waits for a person from here on, under no lease; what it was driven by has a stale epoch. The approval is kept
# also where the lease was stale, so that it can be cancelled.
SUSPEND = """
WITH call AS (
    UPDATE runtime.tool_calls SET state = 'waiting', approval_id = %(approval_id)s,
        approval_expires_at = %(expires_at)s
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

# A new epoch for a run that goes on elsewhere. The attempt is counted only for one that had begun.
TAKE_OVER = """
UPDATE runtime.runs SET epoch = epoch + 1, attempts = attempts + 1
WHERE id = %(run_id)s AND epoch = %(epoch)s AND status = 'running' RETURNING epoch, attempts
"""

TRANSCRIPT = """
SELECT coalesce(max(seq), 0) + 1, string_agg(payload::text, ',' ORDER BY seq) FILTER (WHERE in_context)
FROM runtime.steps WHERE conversation_id = %(conversation_id)s
"""

RENEW = """
UPDATE runtime.runs SET lease_expires_at = now() + %(lease)s
WHERE id = ANY(%(run_ids)s) AND lease_holder = %(holder)s AND status IN ('queued', 'running')
"""

# Runs that nobody drives any more, now ours. Queued ones have not been attempted yet.
ADOPT = """
UPDATE runtime.runs SET epoch = epoch + 1, lease_holder = %(holder)s, lease_expires_at = now() + %(lease)s,
    attempts = attempts + (status = 'running')::int
WHERE id IN (
    SELECT id FROM runtime.runs
    WHERE status IN ('queued', 'running') AND lease_expires_at < now() AND id <> ALL(%(mine)s)
    ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED
)
RETURNING id, conversation_id, owner_id, principal, agent_id, agent_name, version, status, epoch, attempts,
    request_text, timeout_s, extract(epoch FROM now() - started_at)::float - waited_s,
    (SELECT lane FROM runtime.conversations WHERE conversations.id = runs.conversation_id), hops
"""

# A run whose approval is decided, now ours. What was approved has time to be done in, whatever the run took before.
RESUME = """
UPDATE runtime.runs SET status = 'running', epoch = epoch + 1, attempts = 1, lease_holder = %(holder)s,
    lease_expires_at = now() + %(lease)s, waiting_since = NULL,
    waited_s = greatest(
        waited_s + extract(epoch FROM now() - waiting_since),
        extract(epoch FROM now() - started_at) - timeout_s + least(timeout_s, %(least_s)s)
    )
WHERE status = 'waiting_approval'
    AND id IN (SELECT run_id FROM runtime.tool_calls WHERE approval_id = %(approval_id)s AND state = 'waiting')
RETURNING id, conversation_id, owner_id, principal, agent_id, agent_name, version, status, epoch, attempts,
    request_text, timeout_s, extract(epoch FROM now() - started_at)::float - waited_s,
    (SELECT lane FROM runtime.conversations WHERE conversations.id = runs.conversation_id), hops, usage
"""

# Approvals that runs wait for, in pages.
AWAITED = """
SELECT call.approval_id FROM runtime.tool_calls AS call JOIN runtime.runs AS run ON run.id = call.run_id
WHERE call.approval_id IS NOT NULL AND call.state = 'waiting' AND run.status = 'waiting_approval'
    AND call.approval_id > %(after)s
ORDER BY call.approval_id LIMIT 100
"""

AWAITED_IN_CONVERSATION = """
SELECT call.approval_id, call.name, call.approval_expires_at
FROM runtime.runs AS run JOIN runtime.tool_calls AS call ON call.run_id = run.id
WHERE run.conversation_id = %(conversation_id)s AND run.status = 'waiting_approval' AND call.state = 'waiting'
ORDER BY call.created_at, call.tool_call_id
"""

# Runs that ended although a call of theirs had an approval that nobody used.
LEFT_WAITING = """
SELECT DISTINCT call.run_id FROM runtime.tool_calls AS call JOIN runtime.runs AS run ON run.id = call.run_id
WHERE call.approval_id IS NOT NULL AND call.state IN ('waiting', 'dispatched') AND run.ended_at IS NOT NULL
LIMIT 100
"""

LEFT = """
UPDATE runtime.tool_calls SET state = CASE WHEN state = 'waiting' THEN 'cancelled' ELSE 'unknown' END, ended_at = now()
WHERE run_id = %(run_id)s AND approval_id IS NOT NULL AND state IN ('waiting', 'dispatched')
"""

RELEASE = """
UPDATE runtime.runs SET lease_expires_at = now()
WHERE id = ANY(%(run_ids)s) AND lease_holder = %(holder)s AND status IN ('queued', 'running')
"""

SPENT = """
SELECT coalesce(sum(prompt_tokens), 0)::int, coalesce(sum(completion_tokens), 0)::int,
    coalesce(bool_or(estimated), false), count(*)::int
FROM runtime.model_calls WHERE run_id = %(run_id)s
"""

KEY_TAKEN = """
SELECT 1 FROM runtime.runs WHERE owner_id = %(owner_id)s AND agent_id = %(agent_id)s AND idempotency_key = %(key)s
"""

IS_MINE = (
    "SELECT 1 FROM runtime.steps WHERE conversation_id = %(conversation_id)s AND seq = %(seq)s AND run_id = %(run_id)s"
)

STATUS = "SELECT status, epoch FROM runtime.runs WHERE id = %(run_id)s"

LANE = "SELECT lane FROM runtime.conversations WHERE id = %(conversation_id)s AND owner_id = %(owner_id)s"
