"""This service's settings: `RUNTIME_…` in the environment, the provider's under the names that its users know."""

import re
from typing import Annotated, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr, StringConstraints, model_validator
from pydantic_settings import SettingsConfigDict

from agent_runtime_service.gateway.pace import PaceLimits
from agent_runtime_service.telemetry.target import TelemetryTarget
from kgents_shared.http.settings import ServiceSettings, Words

DEFAULT_MODEL = "gpt-4.1-mini"


def _address(given: str | None) -> str | None:
    if not given:
        return None
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http or https address such as http://127.0.0.1:8000/v1")
    return given


def _named(name: str) -> AliasChoices:
    """The name that a provider's users know, and the field's own for code."""
    return AliasChoices(name, name.lower())


def _rates(given: list[str]) -> list[str]:
    for rate in given:
        if _RATE.fullmatch(rate) is None:
            raise ValueError("must be a list such as openai=500, anthropic=50")
    return given


_RATE = re.compile(r"[a-z-]{1,40}=[1-9][0-9]{0,11}")
_BaseUrl = Annotated[str | None, AfterValidator(_address)]
_Rates = Annotated[Words, AfterValidator(_rates)]
_Price = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?$")]


class RuntimeSettings(ServiceSettings):
    """What the runtime needs. Times are seconds.

    `bind`, `port` and `door` (`unix:/path` or `tcp:host:port`) are for `python -m agent_runtime_service`. Where several
    fronts share workers, `door_url` (`unix:/path` or `http://host:port`) says where workers reach this one's door.

    `OPENAI_BASE_URL`, `OPENAI_API_KEY` and `OPENAI_MODEL` are the default credential of the provider `openai`, which
    is any server that speaks its wire; the other providers have settings of the same form. The first provider that has
    one answers agents that name none. An agent may have a credential of its own, with an address;
    `ssrf_allowed_hosts` lists hosts (`name` or `name:port`) of such addresses, of agents elsewhere and of receivers of
    push notifications, that may be loopback or private. A
    lease is renewed every third of `lease_s`; a run whose front fell silent for longer is taken over. A version that
    runs because it is asked for by number is asked for again every `version_renew_s`, while somebody talks to it; the
    deployment service ends it after a minute at the least. What runs wait for is asked of the governance service every
    `approvals_every_s`, for the events that were lost.

    `memory_backend` is where memories are found by meaning: PostgreSQL with pgvector, or Qdrant at `qdrant_url` or in
    the directory `qdrant_path`. `embeddings` is what makes vectors of texts: a model in the directory `embedding_dir`
    (`minilm`), `fastembed`, or a provider's `embedding_model`; `lexical` is none of them. `auto` takes what is there.

    `unknown_model_price` is what a million tokens cost in budgets of a model whose price nobody knows; without it such
    models are refused where a budget in money holds. What a front holds of budgets counts as spent when it was silent
    for `budget_allotment_s`. `provider_requests_per_minute` and `provider_tokens_per_minute`
    (`openai=500, anthropic=50`) bound what each account at a provider is asked for by all fronts; a request that would
    wait longer than `provider_wait_s` is refused.
    """

    model_config = SettingsConfigDict(env_prefix="RUNTIME_", populate_by_name=True)

    openai_base_url: Annotated[
        str | None,
        Field(validation_alias=AliasChoices("OPENAI_BASE_URL", "openai_base_url")),
        AfterValidator(_address),
    ] = None
    openai_api_key: Annotated[
        SecretStr | None, Field(validation_alias=AliasChoices("OPENAI_API_KEY", "openai_api_key"))
    ] = None
    default_model: Annotated[
        str,
        Field(validation_alias=AliasChoices("RUNTIME_DEFAULT_MODEL", "OPENAI_MODEL", "default_model")),
        BeforeValidator(lambda given: given or DEFAULT_MODEL),
    ] = DEFAULT_MODEL
    anthropic_base_url: _BaseUrl = Field(default=None, validation_alias=_named("ANTHROPIC_BASE_URL"))
    anthropic_api_key: SecretStr | None = Field(default=None, validation_alias=_named("ANTHROPIC_API_KEY"))
    anthropic_model: str | None = Field(default=None, validation_alias=_named("ANTHROPIC_MODEL"))
    google_base_url: _BaseUrl = Field(default=None, validation_alias=_named("GOOGLE_BASE_URL"))
    google_api_key: SecretStr | None = Field(default=None, validation_alias=_named("GOOGLE_API_KEY"))
    google_model: str | None = Field(default=None, validation_alias=_named("GOOGLE_MODEL"))
    ollama_base_url: _BaseUrl = Field(default=None, validation_alias=_named("OLLAMA_BASE_URL"))
    ollama_api_key: SecretStr | None = Field(default=None, validation_alias=_named("OLLAMA_API_KEY"))
    ollama_model: str | None = Field(default=None, validation_alias=_named("OLLAMA_MODEL"))
    localai_base_url: _BaseUrl = Field(default=None, validation_alias=_named("LOCALAI_BASE_URL"))
    localai_api_key: SecretStr | None = Field(default=None, validation_alias=_named("LOCALAI_API_KEY"))
    localai_model: str | None = Field(default=None, validation_alias=_named("LOCALAI_MODEL"))
    bind: str = "0.0.0.0"  # noqa: S104 -- inside a container; the embedded host binds by itself
    port: int = 8000
    door: str = "unix:/run/kgents/door/door.sock"
    door_url: str | None = None
    model_connect_s: float = 5.0
    model_first_byte_s: float = 60.0
    model_retries: int = 2
    ssrf_allowed_hosts: Words = Field(default_factory=list[str])
    lease_s: float = 10.0
    recovery_every_s: float = 2.0
    approvals_every_s: Annotated[float, Field(gt=0)] = 5.0
    version_renew_s: Annotated[float, Field(gt=0, le=30)] = 20.0
    starting_wait_s: float = 2.0
    instance_wait_s: float = 30.0
    database_patience_s: float = 30.0
    shutdown_patience_s: float = 10.0
    unknown_model_price: _Price | None = None
    budget_allotment_s: Annotated[float, Field(ge=1)] = 30.0
    provider_requests_per_minute: _Rates = Field(default_factory=list[str])
    provider_tokens_per_minute: _Rates = Field(default_factory=list[str])
    provider_wait_s: Annotated[float, Field(ge=0)] = 10.0
    max_active_runs: int = 1000
    max_active_runs_of_owner: int = 500
    max_memories_of_agent: Annotated[int, Field(ge=1)] = 10_000
    memory_backend: Literal["postgres", "qdrant"] = "postgres"
    qdrant_url: Annotated[str | None, AfterValidator(_address)] = None
    qdrant_api_key: SecretStr | None = None
    qdrant_path: str | None = None
    embeddings: Literal["auto", "minilm", "fastembed", "openai", "google", "ollama", "localai", "lexical"] = "auto"
    embedding_model: str | None = None
    embedding_dir: str | None = None
    embedding_cache_days: Annotated[int, Field(ge=1)] = 30
    hot_pool_size: int = 12

    @model_validator(mode="after")
    def _qdrant_is_somewhere(self) -> Self:
        if self.memory_backend == "qdrant" and not (self.qdrant_url or self.qdrant_path):
            raise ValueError("RUNTIME_MEMORY_BACKEND=qdrant needs RUNTIME_QDRANT_URL or RUNTIME_QDRANT_PATH")
        return self

    otlp_endpoint: _BaseUrl = Field(default=None, validation_alias=_named("OTEL_EXPORTER_OTLP_ENDPOINT"))
    otlp_traces_endpoint: _BaseUrl = Field(default=None, validation_alias=_named("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))
    otlp_headers: SecretStr | None = Field(default=None, validation_alias=_named("OTEL_EXPORTER_OTLP_HEADERS"))
    telemetry_service: str = Field(default="kgents", validation_alias=_named("OTEL_SERVICE_NAME"))
    telemetry_content: bool = False
    trace_prompts: bool = True
    trace_prompts_days: Annotated[float, Field(gt=0)] = 30

    @property
    def pace_limits(self) -> PaceLimits:
        """How fast accounts at providers are asked."""
        return PaceLimits(
            _by_provider(self.provider_requests_per_minute),
            _by_provider(self.provider_tokens_per_minute),
            self.provider_wait_s,
        )

    @property
    def telemetry_target(self) -> TelemetryTarget | None:
        """Where runs are told, by OpenTelemetry's own settings; None where they aren't."""
        base = self.otlp_endpoint
        url = self.otlp_traces_endpoint or (None if base is None else f"{base.rstrip('/')}/v1/traces")
        if url is None:
            return None
        given = "" if self.otlp_headers is None else self.otlp_headers.get_secret_value()
        return TelemetryTarget(url, _headers(given), self.telemetry_service, self.telemetry_content)

    def of_provider(self, name: str) -> str | None:
        """A setting of a provider by its name in the environment, such as `GOOGLE_API_KEY`."""
        value: str | SecretStr | None = getattr(self, "default_model" if name == "OPENAI_MODEL" else name.lower())
        return value.get_secret_value() if isinstance(value, SecretStr) else value


def _headers(given: str) -> dict[str, str]:
    """`name=value,name=value`, percent-encoded where they must be (OpenTelemetry, "Configuration Options")."""
    pairs = (pair.partition("=") for pair in given.split(",") if "=" in pair)
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs if name.strip()}


def _by_provider(rates: list[str]) -> dict[str, int]:
    pairs = (rate.split("=") for rate in rates)
    return {provider: int(number) for provider, number in pairs}
