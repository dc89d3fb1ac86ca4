"""Credentials on the wire: the reference that documents carry, and how named services resolve it (DESIGN §3)."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr, StringConstraints, field_serializer

from kgents_shared.contracts.model import Contract

CREDENTIAL_REF = r"^cred_[0-9a-f]{32}$"
CredentialRef = Annotated[str, StringConstraints(pattern=CREDENTIAL_REF, max_length=37)]
GivenCredentialType = Literal["llm_provider", "platform", "exchange", "mcp", "generic"]
"""What people keep in the vault."""
CredentialType = Literal[GivenCredentialType, "mcp_oauth"]
"""What is kept there: `mcp_oauth` is what an MCP server's authorization server gave, kept by the tool registry."""
OwnerId = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,200}$")]
Purpose = Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]{1,200}$")]


class ResolveCredentialRequest(Contract):
    """Body of `POST /internal/credentials/resolve`. `purpose` is kept with the use: what it is for, in few words."""

    credential_ref: CredentialRef
    owner_id: OwnerId
    purpose: Purpose


class ResolvedCredential(Contract):
    """The answer, and the one place where a secret is on a wire. Keep it for 60 seconds at most."""

    credential_ref: CredentialRef
    type: CredentialType
    version: int
    provider: str | None = None
    base_url: str | None = None
    secret: SecretStr | Annotated[dict[str, SecretStr], Field(min_length=1)]

    @field_serializer("secret", when_used="json")
    def _reveal(self, secret: SecretStr | dict[str, SecretStr]) -> str | dict[str, str]:
        if isinstance(secret, SecretStr):
            return secret.get_secret_value()
        return {name: value.get_secret_value() for name, value in secret.items()}


class LookUpCredentials(Contract):
    """Body of `POST /internal/credentials/known`: which of these the owner has."""

    owner_id: OwnerId
    credential_refs: Annotated[tuple[CredentialRef, ...], Field(max_length=32)]


class KnownCredential(Contract):
    """What a credential is for. `has_address` says that it names a `base_url`."""

    credential_ref: CredentialRef
    type: CredentialType
    provider: str | None = None
    has_address: bool = False


class KnownCredentials(Contract):
    """Those that there are; their secrets aren't told."""

    credentials: tuple[KnownCredential, ...]


class KeepCredentialRequest(Contract):
    """Body of `PUT /internal/credentials`: what a service keeps for an owner, in place of what was under that name."""

    owner_id: OwnerId
    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,100}$")]
    type: Literal["mcp_oauth"]
    secret: Annotated[dict[str, SecretStr], Field(min_length=1, max_length=32)]

    @field_serializer("secret", when_used="json")
    def _reveal(self, secret: dict[str, SecretStr]) -> dict[str, str]:
        return {name: value.get_secret_value() for name, value in secret.items()}


class KeptCredential(Contract):
    """The answer: where it is."""

    credential_ref: CredentialRef
    version: int


class ForgetCredentialRequest(Contract):
    """Body of `POST /internal/credentials/forget`: what a service kept is of no use any more."""

    owner_id: OwnerId
    credential_ref: CredentialRef
