"""The settings that every service has."""

import json
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, cast

from pydantic import BeforeValidator, IPvAnyNetwork, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from kgents_shared.http.allowlists import checked_origin, proxy_network


def words(value: Any) -> Any:
    """`a, b` or a JSON list, as people write lists in an environment."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith("["):
        return cast("object", json.loads(text))
    return [word.strip() for word in text.split(",") if word.strip()]


Words = Annotated[list[str], NoDecode, BeforeValidator(words)]


class ServiceSettings(BaseSettings):
    """Read from the environment under the service's own prefix; secrets have no defaults.

    `database_url` is a `postgresql://` URL with this service's own role. `client_secret` is the service's machine
    credential at the auth service, its client id being the service's name. The `*_url`s are the base addresses of
    the siblings, without a trailing slash. `trusted_proxies` are the networks of proxies whose X-Forwarded-For is
    believed (JSON).
    """

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    database_url: SecretStr
    nats_url: str
    nats_token: SecretStr | None = None
    client_secret: SecretStr
    issuer: str = "http://localhost:8080"
    auth_url: str = "http://auth:8000"
    management_url: str = "http://management:8000"
    tools_url: str = "http://tools:8000"
    deployment_url: str = "http://deployment:8000"
    runtime_url: str = "http://runtime:8000"
    governance_url: str = "http://governance:8000"
    nl_url: str = "http://nl:8000"
    cors_origins: list[str] = []
    trusted_proxies: list[IPvAnyNetwork] = []
    database_pool_size: int = 8
    log_json: bool = True
    log_level: str = "INFO"

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: list[str]) -> list[str]:
        return [checked_origin(origin) for origin in origins]

    @field_validator("trusted_proxies")
    @classmethod
    def _are_not_everybody(cls, networks: list[IPv4Network | IPv6Network]) -> list[IPv4Network | IPv6Network]:
        return [proxy_network(network) for network in networks]
