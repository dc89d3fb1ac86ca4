"""Models and their providers on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from agent_runtime_service.prices.money import CURRENCY
from kgents_shared.contracts.model import Contract

_LIBRARY_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*(:[A-Za-z0-9._-]+)?$"
Health = Literal["ok", "refused", "rate_limited", "unreachable", "failed", "credential_unusable"]


class ModelPrices(Contract):
    """What a million tokens cost."""

    input: str
    output: str
    cached_input: str
    currency: Literal["USD"] = CURRENCY


class ModelView(Contract):
    """A model that an agent may name. null is what nobody says.

    `credential_ref` is whose account lists it, null for the platform's. `capabilities`: streaming, tools, images,
    structured_output, embeddings. `is_default` is the one that answers agents which name none.
    """

    provider: str
    model: str
    credential_ref: str | None
    capabilities: list[str] | None
    context_window: int | None
    size_bytes: int | None
    prices: ModelPrices | None
    is_local: bool
    is_default: bool


class ProviderHealth(Contract):
    """Whether a provider takes our key and answers: its list of models was asked for.

    `credential_ref` is whose account it was, null for the platform's; `credential` is what its owner calls it.
    """

    provider: str
    credential_ref: str | None
    credential: str | None
    status: Health
    detail: str | None
    models: int | None
    latency_ms: int
    checked_at: datetime


class Models(Contract):
    """Every model of every account that the caller may use, and the accounts themselves."""

    items: list[ModelView]
    providers: list[ProviderHealth]
    next_cursor: None = None


class HealthOfProviders(Contract):
    """Every account that the caller may use."""

    items: list[ProviderHealth]
    next_cursor: None = None


class PullModel(Contract):
    """Body of `POST /models/ollama/pull`."""

    model: Annotated[str, StringConstraints(pattern=_LIBRARY_NAME, max_length=200)] = Field(
        description="as Ollama's library calls it, such as llama3.2:3b"
    )


class LocalModel(Contract):
    """A model that Ollama has. `loaded` says that it is in memory now, `vram_bytes` how much of it on a graphics card.

    `timings` are the means of its calls of the last day: calls, load_ms, prompt_eval_ms, eval_ms, tokens_per_second.
    """

    model: str
    size_bytes: int | None
    parameters: str | None
    quantization: str | None
    loaded: bool
    memory_bytes: int | None
    vram_bytes: int | None
    unloads_at: str | None
    timings: dict[str, Any] | None


class LocalModels(Contract):
    """What the platform's Ollama has."""

    items: list[LocalModel]
    next_cursor: None = None
