"""What was embedded before isn't embedded again: a text's vector is kept under its content, for each owner."""

from array import array
from collections import OrderedDict
from collections.abc import Sequence

from agent_runtime_service.budgets.book import Payer
from agent_runtime_service.memories.embeddings.embedder import Embedder, Vector, content_hash
from kgents_shared.db import HotPool

_MOST_IN_MEMORY = 2_000
_FIND = """
UPDATE runtime.embeddings SET used_at = now()
WHERE owner_id = %s AND model = %s AND content_hash = ANY(%s) RETURNING content_hash, vector
"""
_KEEP = """
INSERT INTO runtime.embeddings (owner_id, model, content_hash, vector)
SELECT %s, %s, new.hash, new.vector FROM unnest(%s::bytea[], %s::bytea[]) AS new (hash, vector)
ON CONFLICT DO NOTHING
"""
_DROP_OLD = "DELETE FROM runtime.embeddings WHERE used_at < now() - make_interval(days => %s)"


class CachedEmbedder:
    """An embedder with a memory: of queries in this process, of kept texts in the database."""

    def __init__(self, embedder: Embedder, pool: HotPool, kept_days: int) -> None:
        self._embedder = embedder
        self._pool = pool
        self._kept_days = kept_days
        self._recent: OrderedDict[tuple[str, bytes], Vector] = OrderedDict()

    @property
    def model(self) -> str:
        """The embedder's."""
        return self._embedder.model

    async def query(self, payer: Payer, text: str) -> Vector:
        """The vector of what is looked for. Raises `ApiError`."""
        key = (payer.user, content_hash(text))
        found = self._recent.get(key)
        if found is None:
            (found,) = await self._embedder.embed([text], payer)
            self._recent[key] = found
            if len(self._recent) > _MOST_IN_MEMORY:
                self._recent.popitem(last=False)
        else:
            self._recent.move_to_end(key)
        return found

    async def texts(self, payer: Payer, texts: Sequence[str]) -> list[Vector]:
        """The vectors of what is kept. Raises `ApiError`."""
        owner_id = payer.user
        hashes = [content_hash(text) for text in texts]
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_FIND, (owner_id, self.model, hashes))).fetchall()
        known: dict[bytes, Vector] = {bytes(row[0]): array("f", bytes(row[1])) for row in rows}
        wanted = {key: text for key, text in zip(hashes, texts, strict=True) if key not in known}
        if wanted:
            made = await self._embedder.embed(list(wanted.values()), payer)
            new = dict(zip(wanted, made, strict=True))
            values = (owner_id, self.model, list(new), [vector.tobytes() for vector in new.values()])
            async with self._pool.connection() as connection:
                await connection.execute(_KEEP, values)
            known |= new
        return [known[key] for key in hashes]

    async def drop_old(self) -> None:
        """Forget vectors that nothing asked for in a long time."""
        async with self._pool.connection() as connection:
            await connection.execute(_DROP_OLD, (self._kept_days,))

    async def close(self) -> None:
        """Close the embedder."""
        await self._embedder.close()
