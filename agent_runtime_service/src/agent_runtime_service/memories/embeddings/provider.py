"""Embeddings of a provider, on OpenAI's wire: by the gateway, on the platform's account, counted like all calls."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, Protocol, cast
from uuid import UUID

import orjson

from agent_runtime_service.budgets.admission import Admitted
from agent_runtime_service.budgets.book import Payer
from agent_runtime_service.budgets.bounds import Bound, bounds_of
from agent_runtime_service.gateway import faults
from agent_runtime_service.gateway.ledger import Booking, Spent
from agent_runtime_service.gateway.service import ModelGateway
from agent_runtime_service.instances.directory import InstanceDirectory
from agent_runtime_service.memories.embeddings.embedder import Vector, vector_of
from kgents_shared.errors import ApiError, Unavailable

PURPOSE: Final = "memory"
DEFAULT_MODELS: Final = {
    "openai": "text-embedding-3-small",
    "google": "gemini-embedding-001",
    "ollama": "nomic-embed-text",
    "localai": "text-embedding-ada-002",
}
_WITHIN_S: Final = 30.0
_MOST_CHARS: Final = 8_000
_BYTES_PER_TOKEN: Final = 4


class _Embeds(Protocol):
    async def embeddings(self, model: str, texts: list[str], time_left_s: float) -> dict[str, Any]: ...


class ProviderEmbedder:
    """A provider's model of embeddings."""

    def __init__(self, gateway: ModelGateway, directory: InstanceDirectory, provider: str, name: str) -> None:
        self._gateway = gateway
        self._directory = directory
        self._provider = provider
        self._name = name
        self.model = f"{provider}/{name}"

    async def embed(self, texts: Sequence[str], payer: Payer) -> list[Vector]:
        """See `Embedder.embed`; raises what the gateway does, and `BudgetExhausted`."""
        asked = [text[:_MOST_CHARS] for text in texts]
        raw = orjson.dumps({"model": self._name, "input": asked})
        agent_name, day = self._definition(payer.agent_id)
        admitted = await self._admitted(replace(payer, day=day), raw)
        began, tokens, code = time.monotonic(), (0, 0, False), None
        try:
            provider = await self._gateway.provider(self._provider, None, PURPOSE)
            if not hasattr(provider, "embeddings"):
                raise Unavailable(f"The provider {self._provider} makes no embeddings.", code="embeddings_away")
            answer = await cast("_Embeds", provider).embeddings(self._name, asked, _WITHIN_S)
            tokens = _tokens(answer, len(raw))
            return self._vectors(answer, len(asked))
        except ApiError as error:
            code = error.code
            raise
        finally:
            cost = admitted.settle(tokens[0], 0)
            booking = Booking(
                payer.user, self._provider, self._name, agent_id=payer.agent_id, agent_owner_id=payer.agent_owner_id,
                agent_name=agent_name, purpose=PURPOSE,
            )  # fmt: skip
            duration_s = time.monotonic() - began
            self._gateway.ledger.add(booking, tokens, tries=1, duration_s=duration_s, error=code, spent=Spent(cost))

    def _definition(self, agent_id: UUID | None) -> tuple[str | None, Bound | None]:
        """The name of an agent and what its definition allows in a day, as its newest instance has it."""
        known = () if agent_id is None else self._directory.by_agent().get(agent_id, ())
        if not known:
            return None, None
        newest = max((one.registration for one in known), key=lambda one: one.generation)
        return newest.agent_name, bounds_of(newest.agent_id, newest.agent_name, newest.spec.limits).day

    async def _admitted(self, payer: Payer, raw: bytes) -> Admitted:
        budgets = self._gateway.budgets
        bounds = budgets.bounds(payer)
        if not bounds:
            return Admitted(budgets.price(self._provider, self._name))
        return await budgets.admit(bounds, self._provider, self._name, raw, 1)

    def _vectors(self, answer: dict[str, Any], count: int) -> list[Vector]:
        try:
            rows = sorted(answer["data"], key=lambda row: row["index"])
            vectors = [vector_of(row["embedding"]) for row in rows]
        except (KeyError, TypeError, ValueError) as error:
            raise faults.garbage(self._provider, "something that isn't embeddings") from error
        if len(vectors) != count or len({len(vector) for vector in vectors}) != 1:
            raise faults.garbage(self._provider, "embeddings of other texts than were asked for")
        return vectors

    async def close(self) -> None:
        """The gateway isn't ours."""


def _tokens(answer: dict[str, Any], size: int) -> tuple[int, int, bool]:
    usage: Any = answer.get("usage")
    told: Any = cast("dict[str, Any]", usage).get("prompt_tokens") if isinstance(usage, dict) else None
    return (told, 0, False) if isinstance(told, int) and 0 <= told < 2**31 else (size // _BYTES_PER_TOKEN, 0, True)
