"""What is kept of an authorization: our client at the authorization server, where it is, and what it gave."""

import secrets
import time
from typing import Self

from mcp.shared.auth import OAuthClientInformationFull, OAuthMetadata, OAuthToken, ProtectedResourceMetadata
from pydantic import BaseModel, SecretStr, ValidationError

from kgents_shared.contracts.credentials import ResolvedCredential
from kgents_shared.http.vault import CredentialFault
from tool_registry_service.authorization.state import state_hash

_FIELD = "authorization"
_EARLY_S = 30.0


class Pending(BaseModel):
    """An authorization that somebody was sent to: what its answer is held against."""

    state_hash: str
    verifier: str


class KeptAuthorization(BaseModel):
    """One server's authorization, as it lies in the vault. `expires_at` is a time of `time.time`."""

    client: OAuthClientInformationFull
    metadata: OAuthMetadata
    resource: ProtectedResourceMetadata | None = None
    scope: str | None = None
    tokens: OAuthToken | None = None
    expires_at: float | None = None
    pending: Pending | None = None

    def with_tokens(self, tokens: OAuthToken) -> Self:
        """After the authorization server gave `tokens`; where it rotates no refresh token, the old one stays."""
        before = None if self.tokens is None else self.tokens.refresh_token
        if tokens.refresh_token is None:
            tokens = tokens.model_copy(update={"refresh_token": before})
        ends = None if tokens.expires_in is None else time.time() + tokens.expires_in
        return self.model_copy(update={"tokens": tokens, "expires_at": ends, "pending": None})

    @property
    def bearer(self) -> str | None:
        """The access token, while it is good for a call."""
        if self.tokens is None or (self.expires_at is not None and time.time() > self.expires_at - _EARLY_S):
            return None
        return self.tokens.access_token

    def is_answered_by(self, state: str) -> bool:
        """Whether an answer with this `state` is to the latest question."""
        return self.pending is not None and secrets.compare_digest(self.pending.state_hash, state_hash(state))

    def as_secret(self) -> dict[str, SecretStr]:
        """As the vault takes it."""
        return {_FIELD: SecretStr(self.model_dump_json(exclude_none=True))}


def kept_in(resolved: ResolvedCredential) -> KeptAuthorization:
    """What the vault gave back; raises `CredentialFault` for what isn't an authorization."""
    secret = resolved.secret
    text = None if isinstance(secret, SecretStr) else secret.get(_FIELD)
    try:
        if text is not None and resolved.type == "mcp_oauth":
            return KeptAuthorization.model_validate_json(text.get_secret_value())
    except ValidationError:
        pass  # not chained: what could not be read holds tokens
    raise CredentialFault(f"{resolved.credential_ref} holds no authorization of an MCP server.")
