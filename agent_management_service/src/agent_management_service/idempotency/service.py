"""One effect per Idempotency-Key: the key, the effect and the answer are one transaction."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from agent_management_service.errors import KeyReused
from agent_management_service.idempotency.repository import IdempotencyRepository


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request that came with a key. `fingerprint` tells it from another one under the same key."""

    owner_id: str
    key: str
    fingerprint: bytes

    @staticmethod
    def of(owner_id: str, key: str, *parts: bytes) -> "KeyedRequest":
        """`parts` are all that makes the request what it is: method, path, query, content type, body."""
        digest = hashlib.sha256()
        for part in parts:
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
        return KeyedRequest(owner_id, key, digest.digest())


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that can be given again: status, JSON body, and where the thing is."""

    status: int
    body: Any
    location: str | None = None
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Once:
    """Does work at most once per key. A failed work leaves no key behind, so that it may be tried again."""

    keys: IdempotencyRepository

    async def do(self, request: KeyedRequest | None, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer of `work`, or the kept one; `KeyReused` where the key came with another request."""
        if request is None:
            return await work()
        first = await self.keys.claim(request.owner_id, request.key, request.fingerprint)
        if first is not None:
            if first.request_hash != request.fingerprint or first.status is None:
                raise KeyReused
            return Answer(first.status, first.body, first.location, replayed=True)
        answer = await work()
        await self.keys.keep(request.owner_id, request.key, answer.status, answer.location, answer.body)
        return answer
