"""A call without an agent: the same pipeline, in the name of who asks."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from kgents_shared.contracts.tools import InvokeToolAnswer, InvokeToolRequest
from kgents_shared.errors import Conflict, TooManyRequests
from tool_registry_service.direct_calls.repository import DirectCallRepository, Record
from tool_registry_service.errors import ToolNotFound
from tool_registry_service.invocation.masking import fingerprint
from tool_registry_service.invocation.service import InvocationService


@dataclass(frozen=True, slots=True)
class Asked:
    """One call: whose tool is meant, who asks, and under which key, if they gave one."""

    owner_id: str
    principal: str
    name: str
    arguments: dict[str, Any]
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of it; `key` makes the same call again."""

    record: Record
    key: str
    answer: InvokeToolAnswer


class DirectCallService:
    """Calls of people and machines. No pattern of an agent stands in their way; everything else does."""

    def __init__(self, invocations: InvocationService, calls: DirectCallRepository, most_of_one: int) -> None:
        self._invocations = invocations
        self._calls = calls
        self._most_of_one = most_of_one
        self._under_way: Counter[str] = Counter()

    async def call(self, asked: Asked) -> Answered:
        """Call a tool. Without a key, a call that waits for its approval goes on; any other is a new one.

        Raises:
            ToolNotFound: the owner has no such tool.
            IdempotencyKeyReused: the key was used for another call.
            TooManyRequests: they have as many calls under way in this process as one may.
        """
        who = asked.principal
        if self._under_way[who] >= self._most_of_one:
            raise TooManyRequests(f"You have {self._most_of_one} calls under way, the most that there may be.")
        self._under_way[who] += 1
        try:
            return await self._called(asked)
        finally:
            self._under_way[who] -= 1
            if not self._under_way[who]:
                del self._under_way[who]

    async def _called(self, asked: Asked) -> Answered:
        if await self._invocations.tool(asked.owner_id, asked.name) is None:
            raise ToolNotFound(f"There is no tool named {asked.name}.")
        prefix = _prefix(asked.principal)
        whole = await self._waiting(asked) if asked.key is None else prefix + asked.key
        if whole is None:
            whole = prefix + uuid4().hex
        answer = await self._invocations.invoke(
            InvokeToolRequest(
                owner_id=asked.owner_id, principal=asked.principal, tool_call_id="direct", idempotency_key=whole,
                name=asked.name, arguments=asked.arguments, allow=["*"], deny=[],
            )
        )  # fmt: skip
        record = await self._calls.record(asked.owner_id, whole)
        if record is None:
            raise Conflict("The record of this call is gone already.", code="record_gone")
        return Answered(record, whole.removeprefix(prefix), answer)

    async def _waiting(self, asked: Asked) -> str | None:
        mark = fingerprint(asked.name, asked.arguments)
        return await self._calls.waiting_key(asked.owner_id, asked.principal, mark)


def _prefix(principal: str) -> str:
    """Keys are an owner's: those of an organisation's members must not meet, nor those of runs."""
    return f"direct-{hashlib.sha256(principal.encode()).hexdigest()[:32]}-"
