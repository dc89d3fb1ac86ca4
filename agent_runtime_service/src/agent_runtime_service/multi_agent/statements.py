"""The SQL of contexts: one statement for each thing that happens; a message to one agent costs two round trips."""

_CONTEXT = """
SELECT context.id, context.owner_id, context.name, context.collaboration_model, context.status, context.details,
    context.last_seq, context.created_at, context.last_activity,
    coalesce((
        SELECT jsonb_agg(to_jsonb(participant) ORDER BY participant.place)
        FROM runtime.context_participants AS participant WHERE participant.context_id = context.id
    ), '[]')
FROM runtime.multi_agent_contexts AS context
"""
FIND = f"{_CONTEXT} WHERE context.id = %(id)s AND context.owner_id = ANY(%(owner_ids)s)"
BY_KEY = f"{_CONTEXT} WHERE context.owner_id = %(owner_id)s AND context.idempotency_key = %(key)s"
PAGE = f"""
{_CONTEXT} WHERE context.owner_id = ANY(%(owner_ids)s) AND (%(after)s::uuid IS NULL OR context.id < %(after)s)
ORDER BY context.id DESC LIMIT %(limit)s
"""
KEY_HASH = "SELECT request_hash FROM runtime.multi_agent_contexts WHERE id = %(id)s"

CREATE = """
WITH context AS (
    INSERT INTO runtime.multi_agent_contexts (id, owner_id, created_by, name, collaboration_model, details,
        idempotency_key, request_hash)
    VALUES (%(id)s, %(owner_id)s, %(created_by)s, %(name)s, %(collaboration_model)s, %(details)s, %(key)s, %(hash)s)
    ON CONFLICT DO NOTHING RETURNING id
), participants AS (
    INSERT INTO runtime.context_participants (context_id, agent_id, agent_name, agent_owner_id, role, visibility, place)
    SELECT context.id, given.agent_id, given.agent_name, given.agent_owner_id, given.role, given.visibility, given.place
    FROM context, jsonb_to_recordset(%(participants)s) AS given (
        agent_id uuid, agent_name text, agent_owner_id text, role text, visibility text, place int
    )
)
SELECT id FROM context
"""
UPDATE = """
UPDATE runtime.multi_agent_contexts SET name = coalesce(%(name)s, name),
    collaboration_model = coalesce(%(collaboration_model)s, collaboration_model),
    status = coalesce(%(status)s, status), details = coalesce(%(details)s::jsonb, details), last_activity = now()
WHERE id = %(id)s AND owner_id = ANY(%(owner_ids)s) RETURNING id
"""
DELETE = "DELETE FROM runtime.multi_agent_contexts WHERE id = %(id)s AND owner_id = ANY(%(owner_ids)s) RETURNING id"

# Whoever comes back sees what is said from now on. No row: there are as many as may be.
JOIN = """
WITH context AS (
    SELECT id, last_seq FROM runtime.multi_agent_contexts
    WHERE id = %(id)s AND owner_id = ANY(%(owner_ids)s) FOR UPDATE
), there AS (
    SELECT count(*) FILTER (WHERE left_at IS NULL AND agent_id <> %(agent_id)s) AS active,
        coalesce(max(place), 0) AS last_place
    FROM runtime.context_participants WHERE context_id = %(id)s
)
INSERT INTO runtime.context_participants AS kept (context_id, agent_id, agent_name, agent_owner_id, role, visibility,
    place, joined_seq, seen_seq)
SELECT context.id, %(agent_id)s, %(agent_name)s, %(agent_owner_id)s, %(role)s, %(visibility)s, last_place + 1, last_seq,
    last_seq
FROM context, there WHERE there.active < %(most)s
ON CONFLICT (context_id, agent_id) DO UPDATE SET agent_name = excluded.agent_name, role = excluded.role,
    visibility = excluded.visibility, place = CASE WHEN kept.left_at IS NULL THEN kept.place ELSE excluded.place END,
    joined_seq = CASE WHEN kept.left_at IS NULL THEN kept.joined_seq ELSE excluded.joined_seq END,
    seen_seq = CASE WHEN kept.left_at IS NULL THEN kept.seen_seq ELSE excluded.seen_seq END,
    joined_at = CASE WHEN kept.left_at IS NULL THEN kept.joined_at ELSE now() END, left_at = NULL
RETURNING agent_id
"""
LEAVE = """
UPDATE runtime.context_participants SET left_at = now()
WHERE context_id = %(id)s AND agent_id = %(agent_id)s AND left_at IS NULL RETURNING agent_id
"""

PERSIST = """
UPDATE runtime.multi_agent_contexts SET state = %(data)s, state_version = state_version + 1, state_at = now(),
    last_activity = now()
WHERE id = %(id)s AND owner_id = ANY(%(owner_ids)s) AND (%(version)s::int IS NULL OR state_version = %(version)s)
RETURNING id, state, state_version, state_at
"""
STATE = """
SELECT id, state, state_version, state_at FROM runtime.multi_agent_contexts
WHERE id = %(id)s AND owner_id = ANY(%(owner_ids)s)
"""

HISTORY = """
SELECT seq, kind, from_id, from_name, to_agents, visible_to, body, run_id, exchange_id, governance, sent_at
FROM runtime.context_messages WHERE context_id = %(id)s AND seq > %(after)s
    AND (%(agent_id)s::uuid IS NULL OR from_id = %(agent_id)s::text OR EXISTS (
        SELECT FROM runtime.context_participants AS participant
        WHERE participant.context_id = %(id)s AND participant.agent_id = %(agent_id)s
            AND context_messages.seq > participant.joined_seq
            AND (visible_to IS NULL OR %(agent_id)s = ANY(visible_to))
            AND (participant.visibility = 'shared'
                OR (kind = 'person' AND (to_agents IS NULL OR %(agent_id)s = ANY(to_agents))))
    ))
ORDER BY seq LIMIT %(limit)s
"""

# A message and its exchange; the context's row gives it its place. No row: another is under way, or the key is taken.
OPEN = """
WITH context AS (
    UPDATE runtime.multi_agent_contexts SET last_seq = last_seq + 1, last_activity = now()
    WHERE id = %(context_id)s AND status = 'active'
        AND NOT EXISTS (
            SELECT FROM runtime.context_exchanges WHERE context_id = %(context_id)s
                AND (status = 'running' OR idempotency_key = %(key)s)
        )
    RETURNING id, owner_id, last_seq
), exchange AS (
    INSERT INTO runtime.context_exchanges (id, context_id, owner_id, principal, seq, recipients, is_private, rounds,
        collaboration_model, status, lease_expires_at, idempotency_key, request_hash)
    SELECT %(exchange_id)s, id, owner_id, %(principal)s, last_seq, %(recipients)s, %(private)s, %(rounds)s,
        %(collaboration_model)s, 'running', now() + %(lease)s, %(key)s, %(hash)s FROM context
)
INSERT INTO runtime.context_messages (context_id, seq, exchange_id, kind, from_id, from_name, to_agents, visible_to,
    body, governance)
SELECT id, last_seq, %(exchange_id)s, 'person', %(principal)s, %(principal)s, %(to)s, %(visible_to)s, %(text)s,
    %(governance)s
FROM context RETURNING seq
"""
# The same to all whose agents the sender may ask; with the turn of the first of them, where the others don't answer at
# its side. What this very statement stores it doesn't see yet: the message stands behind what was said before it.
# Nor does it see an answer that came while it waited for its place: then the turn is begun by itself.
OPEN_TO_ALL = """
WITH recipients AS (
    SELECT array_agg(agent_id ORDER BY place) AS ids FROM runtime.context_participants
    WHERE context_id = %(context_id)s AND left_at IS NULL AND agent_owner_id = ANY(%(owner_ids)s)
), context AS (
    UPDATE runtime.multi_agent_contexts SET last_seq = last_seq + 1, last_activity = now()
    FROM recipients
    WHERE id = %(context_id)s AND owner_id = ANY(%(owner_ids)s) AND status = 'active' AND recipients.ids IS NOT NULL
        AND NOT EXISTS (
            SELECT FROM runtime.context_exchanges WHERE context_id = %(context_id)s
                AND (status = 'running' OR idempotency_key = %(key)s)
        )
    RETURNING id, owner_id, last_seq, collaboration_model, recipients.ids
), exchange AS (
    INSERT INTO runtime.context_exchanges (id, context_id, owner_id, principal, seq, recipients, is_private, rounds,
        collaboration_model, status, lease_expires_at, idempotency_key, request_hash)
    SELECT %(exchange_id)s, id, owner_id, %(principal)s, last_seq, ids, %(private)s, %(rounds)s,
        collaboration_model, 'running', now() + %(lease)s, %(key)s, %(hash)s FROM context
), message AS (
    INSERT INTO runtime.context_messages (context_id, seq, exchange_id, kind, from_id, from_name, to_agents, visible_to,
        body, governance)
    SELECT id, last_seq, %(exchange_id)s, 'person', %(principal)s, %(principal)s, NULL,
        CASE WHEN %(private)s THEN ids END, %(text)s,
        jsonb_build_object('principal', %(principal)s::text, 'owner_id', owner_id, 'private', %(private)s)
    FROM context
), first AS (
    SELECT participant.agent_id, agent_name, agent_owner_id, conversation_id, visibility, seen_seq
    FROM context JOIN runtime.context_participants AS participant
        ON participant.context_id = context.id AND participant.agent_id = context.ids[1]
    WHERE (cardinality(context.ids) = 1 OR context.collaboration_model = 'sequential')
        AND (context.last_seq = 1 OR EXISTS (
            SELECT FROM runtime.context_messages WHERE context_id = context.id AND seq = context.last_seq - 1
        ))
), turn AS (
    INSERT INTO runtime.context_turns (id, exchange_id, context_id, agent_id, round, after_seq, until_seq, status)
    SELECT %(exchange_id)s, %(exchange_id)s, context.id, first.agent_id, 1, first.seen_seq, context.last_seq, 'running'
    FROM context, first
), seen AS (
    UPDATE runtime.context_participants SET seen_seq = greatest(context_participants.seen_seq, context.last_seq)
    FROM context, first
    WHERE context_participants.context_id = context.id AND context_participants.agent_id = first.agent_id
)
SELECT context.owner_id, context.last_seq, context.collaboration_model, context.ids, first.agent_name,
    first.agent_owner_id, first.conversation_id, (
        SELECT jsonb_agg(jsonb_build_object('kind', kind, 'from', from_name, 'text', body,
            'principal', governance->>'principal', 'run_id', run_id) ORDER BY seq)
        FROM runtime.context_messages
        WHERE context_id = context.id AND seq > first.seen_seq
            AND from_id <> first.agent_id::text AND (visible_to IS NULL OR first.agent_id = ANY(visible_to))
            AND (first.visibility = 'shared'
                OR (kind = 'person' AND (to_agents IS NULL OR first.agent_id = ANY(to_agents))))
    )
FROM context LEFT JOIN first ON true
"""
EXCHANGE_BY_KEY = """
SELECT id, context_id, owner_id, principal, seq, recipients, is_private, rounds, collaboration_model, status,
    request_hash
FROM runtime.context_exchanges WHERE context_id = %(context_id)s AND idempotency_key = %(key)s
"""
EXCHANGE = """
SELECT id, context_id, owner_id, principal, seq, recipients, is_private, rounds, collaboration_model, status,
    request_hash
FROM runtime.context_exchanges WHERE id = %(exchange_id)s
"""
# Exchanges that nobody drives any more.
ADOPT = """
UPDATE runtime.context_exchanges SET lease_expires_at = now() + %(lease)s
WHERE id IN (
    SELECT id FROM runtime.context_exchanges
    WHERE status = 'running' AND lease_expires_at < now() AND id <> ALL(%(mine)s)
    ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED
)
RETURNING id, context_id, owner_id, principal, seq, recipients, is_private, rounds, collaboration_model, status,
    request_hash
"""
RENEW = """
UPDATE runtime.context_exchanges SET lease_expires_at = now() + %(lease)s
WHERE id = ANY(%(mine)s) AND status = 'running'
"""
LAST_SEQ = "SELECT last_seq FROM runtime.multi_agent_contexts WHERE id = %(context_id)s"
END = "UPDATE runtime.context_exchanges SET status = 'ended', ended_at = now() WHERE id = %(exchange_id)s"
RELEASE = (
    "UPDATE runtime.context_exchanges SET lease_expires_at = now() WHERE id = ANY(%(mine)s) AND status = 'running'"
)

# An agent's turn, and what it has not been told: the same again for a turn that has begun. No row: it has left.
BEGIN_TURN = """
WITH participant AS (
    SELECT agent_name, agent_owner_id, conversation_id, visibility, seen_seq FROM runtime.context_participants
    WHERE context_id = %(context_id)s AND agent_id = %(agent_id)s AND left_at IS NULL FOR UPDATE
), context AS (
    SELECT coalesce(%(until)s::int, last_seq) AS until_seq FROM runtime.multi_agent_contexts WHERE id = %(context_id)s
), kept AS (
    SELECT after_seq, until_seq, status FROM runtime.context_turns WHERE id = %(turn_id)s
), begun AS (
    INSERT INTO runtime.context_turns (id, exchange_id, context_id, agent_id, round, after_seq, until_seq, status)
    SELECT %(turn_id)s, %(exchange_id)s, %(context_id)s, %(agent_id)s, %(round)s, seen_seq, until_seq, 'running'
    FROM participant, context WHERE NOT EXISTS (SELECT FROM kept)
    RETURNING after_seq, until_seq, status
), seen AS (
    UPDATE runtime.context_participants SET seen_seq = greatest(context_participants.seen_seq, begun.until_seq)
    FROM begun WHERE context_id = %(context_id)s AND agent_id = %(agent_id)s
)
SELECT turn.status, participant.agent_name, participant.agent_owner_id, participant.conversation_id, (
    SELECT jsonb_agg(jsonb_build_object('kind', kind, 'from', from_name, 'text', body,
        'principal', governance->>'principal', 'run_id', run_id) ORDER BY seq)
    FROM runtime.context_messages
    WHERE context_id = %(context_id)s AND seq > turn.after_seq AND seq <= turn.until_seq
        AND from_id <> %(agent_id)s::text AND (visible_to IS NULL OR %(agent_id)s = ANY(visible_to))
        AND (participant.visibility = 'shared'
            OR (kind = 'person' AND (to_agents IS NULL OR %(agent_id)s = ANY(to_agents))))
)
FROM participant, (SELECT * FROM kept UNION ALL SELECT * FROM begun) AS turn
"""

# Whose words a run of another's was told: of people, and of whom the runs were told whose answers it was told.
QUOTED = """
INSERT INTO runtime.run_quotes (run_id, principal, first_hand)
SELECT %(run_id)s, quoted.principal, bool_or(quoted.first_hand)
FROM (
    SELECT unnest(%(principals)s::text[]) AS principal, true AS first_hand
    UNION ALL SELECT principal, false FROM runtime.run_quotes WHERE run_id = ANY(%(runs)s) AND first_hand
) AS quoted
WHERE quoted.principal <> %(principal)s GROUP BY quoted.principal ON CONFLICT DO NOTHING
"""

# What an agent said, with its place, and under what it said it. Nobody waits until it is on the disk: the run's end is,
# and an exchange whose answer is lost with the database's memory is taken up again, and finds that.
ANSWER = """
WITH turn AS (
    UPDATE runtime.context_turns SET status = 'answered', run_id = %(run_id)s, ended_at = now()
    WHERE id = %(turn_id)s AND status IN ('running', 'waiting') RETURNING context_id, exchange_id, agent_id
), context AS (
    UPDATE runtime.multi_agent_contexts SET last_seq = last_seq + 1, last_activity = now()
    FROM turn WHERE multi_agent_contexts.id = turn.context_id RETURNING multi_agent_contexts.id, last_seq
), participant AS (
    UPDATE runtime.context_participants SET conversation_id = %(conversation_id)s FROM turn
    WHERE context_participants.context_id = turn.context_id AND context_participants.agent_id = turn.agent_id
    RETURNING agent_name
), exchange AS (
    UPDATE runtime.context_exchanges SET status = 'ended', ended_at = now() FROM turn
    WHERE context_exchanges.id = turn.exchange_id AND %(is_last)s
)
INSERT INTO runtime.context_messages (context_id, seq, exchange_id, kind, from_id, from_name, to_agents, visible_to,
    body, run_id, governance)
SELECT context.id, context.last_seq, turn.exchange_id, 'agent', turn.agent_id::text, participant.agent_name, '{}',
    CASE WHEN exchange.is_private THEN exchange.recipients END, %(text)s, %(run_id)s,
    jsonb_build_object('principal', run.principal, 'owner_id', run.owner_id, 'run_id', run.id, 'version', run.version,
        'status', run.status, 'usage', run.usage, 'tools', coalesce((
            SELECT jsonb_agg(jsonb_build_object('name', name, 'state', state, 'approval_id', approval_id)
                ORDER BY created_at, tool_call_id)
            FROM runtime.tool_calls WHERE tool_calls.run_id = run.id
        ), '[]'))
FROM turn CROSS JOIN context CROSS JOIN participant
    JOIN runtime.context_exchanges AS exchange ON exchange.id = turn.exchange_id
    LEFT JOIN runtime.runs AS run ON run.id = %(run_id)s
RETURNING seq, set_config('synchronous_commit', 'off', true)
"""
CLOSE_TURN = """
WITH turn AS (
    UPDATE runtime.context_turns SET status = %(status)s, run_id = %(run_id)s, error = %(error)s::jsonb,
        ended_at = now()
    WHERE id = %(turn_id)s AND status IN ('running', 'waiting') RETURNING context_id, agent_id
)
UPDATE runtime.context_participants SET conversation_id = coalesce(%(conversation_id)s, conversation_id) FROM turn
WHERE context_participants.context_id = turn.context_id AND context_participants.agent_id = turn.agent_id
"""
# Turns whose run waited for an approval and has ended since.
SETTLED = """
SELECT turn.id, run.id, run.conversation_id, run.status, run.error, final.payload->>'text'
FROM runtime.context_turns AS turn JOIN runtime.runs AS run ON run.id = turn.run_id
    LEFT JOIN runtime.steps AS final
        ON final.conversation_id = run.conversation_id AND final.run_id = run.id AND final.kind = 'final'
WHERE turn.status = 'waiting' AND run.ended_at IS NOT NULL LIMIT 100
"""
TURNS = """
SELECT turn.agent_id, participant.agent_name, turn.round, turn.status, message.seq, message.body, turn.run_id,
    turn.error
FROM runtime.context_turns AS turn
    JOIN runtime.context_participants AS participant
        ON participant.context_id = turn.context_id AND participant.agent_id = turn.agent_id
    LEFT JOIN runtime.context_messages AS message
        ON message.context_id = turn.context_id AND message.exchange_id = turn.exchange_id
        AND message.run_id = turn.run_id AND turn.status = 'answered'
WHERE turn.exchange_id = %(exchange_id)s ORDER BY turn.round, participant.place
"""

METRICS = """
SELECT participant.agent_id, participant.agent_name, count(turn.id)::int,
    count(turn.id) FILTER (WHERE turn.status = 'answered')::int,
    count(turn.id) FILTER (WHERE turn.status = 'failed')::int,
    coalesce(sum((run.usage->>'prompt_tokens')::bigint), 0)::bigint,
    coalesce(sum((run.usage->>'completion_tokens')::bigint), 0)::bigint,
    sum((run.usage->'cost'->>'amount')::numeric)::text,
    (extract(epoch FROM avg(turn.ended_at - turn.started_at)) * 1000)::float,
    (percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM turn.ended_at - turn.started_at)) * 1000)::float
FROM runtime.context_participants AS participant
    LEFT JOIN runtime.context_turns AS turn
        ON turn.context_id = participant.context_id AND turn.agent_id = participant.agent_id
    LEFT JOIN runtime.runs AS run ON run.id = turn.run_id
WHERE participant.context_id = %(id)s
GROUP BY participant.agent_id, participant.agent_name, participant.place ORDER BY participant.place
"""
TOTALS = """
SELECT count(*)::int, count(*) FILTER (WHERE kind = 'person')::int, count(*) FILTER (WHERE kind = 'agent')::int,
    count(DISTINCT exchange_id)::int
FROM runtime.context_messages WHERE context_id = %(id)s
"""
