"""This service's settings: `RUNTIME_…` in the environment, the provider's under the names that its users know."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from kgents_shared.http.settings import ServiceSettings, Words

DEFAULT_MODEL = "gpt-4.1-mini"


def _address(given: str | None) -> str | None:
    if not given:
        return None
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http or https address such as http://127.0.0.1:8000/v1")
    return given


class RuntimeSettings(ServiceSettings):
    """What the runtime needs. Times are seconds.

    `bind`, `port` and `door` (`unix:/path` or `tcp:host:port`) are for `python -m agent_runtime_service`.

    `OPENAI_BASE_URL`, `OPENAI_API_KEY` and `OPENAI_MODEL` are the default credential of the provider `openai`, which
    is any server that speaks its wire. An agent may have a credential of its own, with an address;
    `ssrf_allowed_hosts` lists hosts (`name` or `name:port`) of such addresses that may be loopback or private. A
    lease is renewed every third of `lease_s`; a run whose front fell silent for longer is taken over. A version that
    runs because it is asked for by number is asked for again every `version_renew_s`, while somebody talks to it; the
    deployment service ends it after a minute at the least. What runs wait for is asked of the governance service every
    `approvals_every_s`, for the events that were lost.
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
    bind: str = "0.0.0.0"  # noqa: S104 -- inside a container; the embedded host binds by itself
    port: int = 8000
    door: str = "unix:/run/kgents/door/door.sock"
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
    max_active_runs: int = 1000
    max_active_runs_of_owner: int = 500
    max_memories_of_agent: Annotated[int, Field(ge=1)] = 10_000
    hot_pool_size: int = 12
