"""The SQL of memories. What changes a space begins with `OPEN` or `HOLD`, which lock its row: `items` stays exact."""

# ruff: noqa: S608 -- made of constants alone

_COLUMNS = (
    "id, key, text, value, tags, scope, agent_id, conversation_id, version, created_at, updated_at, NULL::timestamptz"
)
_PAST = "memory_id, key, text, value, tags, scope, agent_id, conversation_id, version, created_at, updated_at, ended_at"
_SPACE = """
SELECT id, items FROM runtime.memory_spaces
WHERE owner_id = %(owner_id)s AND scope = %(scope)s AND subject = %(subject)s
"""
_KEEP_VERSION = """
INSERT INTO runtime.memory_versions (memory_id, version, owner_id, space_id, scope, agent_id, conversation_id,
    principal, key, text, value, tags, created_at, updated_at, ended_at)
SELECT id, version, owner_id, space_id, scope, agent_id, conversation_id, principal, key, text, value, tags,
    created_at, updated_at, (SELECT at FROM moment)
"""
# One for all that a statement does: what a key had ends when what it has begins.
_MOMENT = "moment AS MATERIALIZED (SELECT clock_timestamp() AS at)"

OPEN = """
INSERT INTO runtime.memory_spaces AS space (id, owner_id, scope, subject)
VALUES (%(space_id)s, %(owner_id)s, %(scope)s, %(subject)s)
ON CONFLICT (owner_id, scope, subject) DO UPDATE SET items = space.items
"""
HOLD = f"{_SPACE} FOR UPDATE"
HOLD_OF = """
SELECT id FROM runtime.memory_spaces
WHERE id IN (SELECT space_id FROM runtime.memories WHERE id = %(id)s UNION
    SELECT space_id FROM runtime.memory_versions WHERE memory_id = %(id)s) FOR UPDATE
"""

# No row: the space has all that it may. With `replace` another value takes the place of the one that is there, which
# becomes history; the same value again changes nothing.
PUT = f"""
WITH {_MOMENT}, space AS ({_SPACE}),
kept AS (SELECT * FROM runtime.memories WHERE space_id = (SELECT id FROM space) AND key = %(key)s),
changed AS (
    SELECT id FROM kept
    WHERE %(replace)s AND (text, value, tags) IS DISTINCT FROM (%(text)s, %(value)s::jsonb, %(tags)s::text[])
),
past AS ({_KEEP_VERSION} FROM kept WHERE id IN (SELECT id FROM changed)),
pruned AS (
    DELETE FROM runtime.memory_versions AS old USING kept
    WHERE old.memory_id = kept.id AND old.version <= kept.version - %(most_versions)s
),
updated AS (
    UPDATE runtime.memories SET text = %(text)s, value = %(value)s::jsonb, tags = %(tags)s, version = version + 1,
        updated_at = (SELECT at FROM moment), principal = %(principal)s, agent_id = %(agent_id)s,
        conversation_id = %(conversation_id)s, semantic = %(semantic)s, indexed_as = NULL
    WHERE id IN (SELECT id FROM changed) RETURNING {_COLUMNS}
),
added AS (
    INSERT INTO runtime.memories (id, owner_id, space_id, scope, agent_id, conversation_id, principal, key, text,
        value, tags, semantic, created_at, updated_at)
    SELECT %(id)s, %(owner_id)s, space.id, %(scope)s, %(agent_id)s, %(conversation_id)s, %(principal)s, %(key)s,
        %(text)s, %(value)s::jsonb, %(tags)s, %(semantic)s, moment.at, moment.at
    FROM space, moment
    WHERE NOT EXISTS (SELECT FROM kept) AND space.items < %(most)s RETURNING {_COLUMNS}
),
counted AS (
    UPDATE runtime.memory_spaces SET items = items + 1
    WHERE id = (SELECT id FROM space) AND EXISTS (SELECT FROM added)
)
SELECT true, * FROM added UNION ALL SELECT true, * FROM updated
UNION ALL SELECT false, {_COLUMNS} FROM kept WHERE NOT EXISTS (SELECT FROM changed)
"""

_REMOVED = """
counted AS (
    UPDATE runtime.memory_spaces AS space SET items = items - gone.many
    FROM (SELECT space_id, count(*) AS many FROM removed GROUP BY 1) AS gone WHERE space.id = gone.space_id
),
told AS (
    INSERT INTO runtime.memory_removals (memory_id) SELECT id FROM removed WHERE %(beside)s ON CONFLICT DO NOTHING
)
"""
# The value ends; what the key had stays readable as history.
END = f"""
WITH {_MOMENT}, removed AS (
    DELETE FROM runtime.memories WHERE space_id = ({_SPACE.replace("id, items", "id")}) AND key = %(key)s RETURNING *
),
past AS ({_KEEP_VERSION} FROM removed), {_REMOVED}
SELECT {_COLUMNS.replace("NULL::timestamptz", "(SELECT at FROM moment)")} FROM removed
"""
FORGET_KEY = f"""
WITH removed AS (
    DELETE FROM runtime.memories WHERE space_id = ({_SPACE.replace("id, items", "id")}) AND key = %(key)s RETURNING *
),
past AS (
    DELETE FROM runtime.memory_versions
    WHERE space_id = ({_SPACE.replace("id, items", "id")}) AND key = %(key)s RETURNING memory_id
), {_REMOVED}
SELECT id FROM removed UNION SELECT memory_id FROM past
"""

# What of an owner's agent a caller may see: what belongs to the agent or the organisation, and else their own.
_VISIBLE = """
owner_id = ANY(%(owner_ids)s) AND agent_id = %(agent_id)s
    AND (scope IN ('agent', 'organisation') OR principal = %(subject)s OR owner_id = %(own_id)s)
"""
FORGET = f"""
WITH removed AS (
    DELETE FROM runtime.memories WHERE id = %(id)s AND {_VISIBLE} RETURNING *
),
past AS (DELETE FROM runtime.memory_versions WHERE memory_id = %(id)s AND {_VISIBLE} RETURNING memory_id), {_REMOVED}
SELECT id FROM removed UNION SELECT memory_id FROM past
"""

GET = f"""
SELECT {_COLUMNS} FROM runtime.memories
WHERE space_id = ({_SPACE.replace("id, items", "id")}) AND key = %(key)s
"""
GET_AS_OF = f"""
WITH space AS ({_SPACE})
SELECT * FROM (
    SELECT {_COLUMNS} FROM runtime.memories
    WHERE space_id = (SELECT id FROM space) AND key = %(key)s AND updated_at <= %(as_of)s
    UNION ALL
    SELECT {_PAST} FROM runtime.memory_versions
    WHERE space_id = (SELECT id FROM space) AND key = %(key)s AND updated_at <= %(as_of)s AND ended_at > %(as_of)s
) AS found ORDER BY updated_at DESC LIMIT 1
"""
HISTORY = f"""
WITH space AS ({_SPACE})
SELECT * FROM (
    SELECT {_COLUMNS} FROM runtime.memories WHERE space_id = (SELECT id FROM space) AND key = %(key)s
    UNION ALL
    SELECT {_PAST} FROM runtime.memory_versions WHERE space_id = (SELECT id FROM space) AND key = %(key)s
) AS found ORDER BY updated_at DESC, version DESC LIMIT %(limit)s
"""
FIND = f"SELECT {_COLUMNS} FROM runtime.memories WHERE id = %(id)s AND {_VISIBLE}"
_ASKED = """
    AND (%(scope)s::text IS NULL OR scope = %(scope)s) AND starts_with(key, %(prefix)s) AND tags @> %(tags)s::text[]
    AND (%(after)s::uuid IS NULL OR id < %(after)s)
"""
PAGE = f"""
SELECT {_COLUMNS} FROM runtime.memories
WHERE {_VISIBLE} {_ASKED}
    AND (%(since)s::timestamptz IS NULL OR updated_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR updated_at < %(until)s)
ORDER BY id DESC LIMIT %(limit)s
"""
# As it was at a time: what is unchanged since then, and what has changed or ended since.
PAGE_AS_OF = f"""
SELECT * FROM (
    SELECT {_COLUMNS} FROM runtime.memories WHERE {_VISIBLE} {_ASKED} AND updated_at <= %(as_of)s
    UNION ALL
    SELECT {_PAST} FROM runtime.memory_versions
    WHERE {_VISIBLE} {_ASKED.replace("id < ", "memory_id < ")} AND updated_at <= %(as_of)s AND ended_at > %(as_of)s
) AS found ORDER BY id DESC LIMIT %(limit)s
"""

FILTERS = """
    AND memory.tags @> %(tags)s::text[]
    AND (%(since)s::timestamptz IS NULL OR memory.updated_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR memory.updated_at < %(until)s)
"""
_FOUND = ", ".join(f"memory.{name}" for name in _COLUMNS.split(", ")[:-1]) + ", NULL::timestamptz"
NEWEST = f"""
SELECT {_FOUND}, NULL::float8, NULL::float8 FROM runtime.memories AS memory
WHERE space_id = ({_SPACE.replace("id, items", "id")}) {FILTERS}
ORDER BY memory.updated_at DESC, memory.id DESC LIMIT %(limit)s
"""
# Words: of those that have one of them, a bounded number is ranked. Meaning: what `{near}` names, in its order. The
# two orders become one by reciprocal ranks (Cormack, Clarke and Büttcher 2009), 1 for the first of each.
SEARCH = f"""
WITH space AS ({_SPACE}),
asked AS (
    SELECT words, ('S' || upper((SELECT id FROM space)::text))::tsquery && words AS here
    FROM (SELECT replace(plainto_tsquery('simple', %(words)s)::text, '&', '|')::tsquery AS words) AS said
),
worded AS (
    SELECT id, row_number() OVER (ORDER BY rank DESC, id DESC) AS place FROM (
        SELECT memory.id, ts_rank(memory.words, (SELECT words FROM asked)) AS rank FROM runtime.memories AS memory
        WHERE %(by_words)s AND numnode((SELECT words FROM asked)) > 0
            AND memory.words @@ (SELECT here FROM asked) AND uuid_eq(memory.space_id, (SELECT id FROM space)) {FILTERS}
        LIMIT %(most_ranked)s
    ) AS ranked ORDER BY rank DESC, id DESC LIMIT %(candidates)s
),
near AS ({{near}}),
meant AS (SELECT id, similarity, row_number() OVER (ORDER BY similarity DESC, id) AS place FROM near),
found AS (
    SELECT id, meant.similarity,
        (coalesce(1.0 / (60 + worded.place), 0) + coalesce(1.0 / (60 + meant.place), 0)) * 61 / %(ways)s AS score
    FROM worded FULL JOIN meant USING (id)
)
SELECT {_FOUND}, found.score::float8, found.similarity::float8
FROM found JOIN runtime.memories AS memory USING (id)
WHERE memory.space_id = (SELECT id FROM space) {FILTERS}
ORDER BY found.score DESC, memory.id DESC LIMIT %(limit)s
"""
NOTHING_NEAR = "SELECT NULL::uuid AS id, NULL::float8 AS similarity WHERE false"
