"""The settings of this service."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from auth_service.oidc.issuers import IssuerName, OidcIssuer
from kgents_shared.http.settings import ServiceSettings

# Long enough that guessing is hopeless: what these secrets are stored as is a plain SHA-256.
ServiceSecret = Annotated[SecretStr, Field(min_length=16)]


class AuthSettings(ServiceSettings):
    """Read from `AUTH_*`.

    `signing_key_file` is a PEM file of one or more P-256 private keys, the same for every replica: the first signs for
    `signing_key_rotation_days`, then come keys that are kept in the database, sealed by it. It is made where it is
    missing and its folder can be written; so is `api_key_pepper_file`, beside it where it isn't named:
    a file of at least 32 random bytes, without which no API key is known again. `service_clients` maps each service's
    name to its secret (JSON). The first admin is made of `admin_email` and `admin_password` while there is none. Times
    are seconds.

    Mails go out over SMTP where `smtp_host` is set, else into `mail_folder` (`outbox` beside the signing key where none
    is named) as files. With `email_verification = "required"` nobody logs in before they have shown that the address is
    theirs.

    People's accounts are in this service's database (`identity_provider = "local"`) or in the Supabase project at
    `supabase_url`, which then must be named with its two keys. People may also come from the OpenID Connect issuers of
    `oidc_issuers` (JSON: a name of ours to `issuer`, `client_id`, `client_secret` …), where this service is registered
    with the redirect URI `<issuer of ours>/api/v1/auth/oidc/<name>/callback`.

    From one network (an IPv4 address, an IPv6 /64) `limit_failures_burst` logins may fail at once and one more each
    `limit_failures_every_s`; `limit_sign_ups_*` bound registrations and mails asked for in the same way.

    Whoever is erased is erased by every service twice, the second time `erase_again_after_s` later: what was under way
    may have left something behind.

    The vault's master keys are kept by `vault_key_provider`: in `vault_key_file` (`vault-keys` beside the signing key
    where none is named), or under `vault_key_name` in AWS Secrets Manager or in HashiCorp Vault's KV engine, version 2.
    """

    model_config = SettingsConfigDict(env_prefix="AUTH_")

    signing_key_file: Path
    signing_key_rotation_days: Annotated[int, Field(ge=1, le=3650)] = 30
    api_key_pepper_file: Path | None = None
    admin_email: str = "admin@localhost"
    admin_password: SecretStr | None = None
    service_clients: dict[str, ServiceSecret] = Field(default_factory=dict[str, ServiceSecret])
    limit_failures_burst: Annotated[int, Field(ge=1)] = 100
    limit_failures_every_s: Annotated[float, Field(gt=0)] = 6
    limit_sign_ups_burst: Annotated[int, Field(ge=1)] = 100
    limit_sign_ups_every_s: Annotated[float, Field(gt=0)] = 6
    email_verification: Literal["off", "required"] = "off"
    mail_from: str = "kgents@localhost"
    mail_folder: Path | None = None
    smtp_host: str | None = None
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = 587
    smtp_tls: Literal["starttls", "implicit", "offered", "off"] = "starttls"
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    identity_provider: Literal["local", "supabase"] = "local"
    supabase_url: Annotated[str, Field(pattern=r"^https?://[^/?#\s]+[^?#\s]*$")] | None = None
    supabase_anon_key: SecretStr | None = None
    supabase_service_role_key: SecretStr | None = None
    oidc_issuers: dict[IssuerName, OidcIssuer] = Field(default_factory=dict[IssuerName, OidcIssuer])
    access_token_ttl_s: Annotated[int, Field(ge=60, le=3600)] = 900
    refresh_token_ttl_s: Annotated[int, Field(ge=300)] = 30 * 24 * 3600
    # The least that OWASP's password storage guidance names for argon2id: 19 MiB, two passes, one lane.
    argon2_memory_kib: Annotated[int, Field(ge=8)] = 19_456
    argon2_rounds: Annotated[int, Field(ge=1)] = 2
    argon2_parallelism: Annotated[int, Field(ge=1)] = 1
    argon2_threads: Annotated[int, Field(ge=1, le=64)] = 2
    argon2_waiting: Annotated[int, Field(ge=1)] = 64
    erase_again_after_s: Annotated[float, Field(ge=0)] = 60
    vault_key_provider: Literal["local", "aws_secrets_manager", "vault"] = "local"
    vault_key_file: Path | None = None
    vault_key_name: str = "kgents/vault-keys"
    vault_aws_region: str | None = None
    vault_aws_endpoint_url: str | None = None
    vault_hashicorp_url: str | None = None
    vault_hashicorp_token: SecretStr | None = None
    vault_hashicorp_mount: str = "secret"

    def supabase(self) -> tuple[str, SecretStr, SecretStr]:
        """The project's address, its anon key and its service role key. Raises ValueError where one isn't set."""
        if self.supabase_url is None or self.supabase_anon_key is None or self.supabase_service_role_key is None:
            raise ValueError(
                "AUTH_IDENTITY_PROVIDER=supabase needs AUTH_SUPABASE_URL (https://<project>.supabase.co), "
                "AUTH_SUPABASE_ANON_KEY and AUTH_SUPABASE_SERVICE_ROLE_KEY: set all three"
            )
        return self.supabase_url, self.supabase_anon_key, self.supabase_service_role_key

    @model_validator(mode="after")
    def _has_its_provider(self) -> Self:
        if self.identity_provider == "supabase":
            self.supabase()
        return self
