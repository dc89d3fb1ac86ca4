"""How a server's owner wants to be authorized there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from kgents_shared.http.vault import CredentialUse

Grant = Literal["authorization_code", "client_credentials"]


@dataclass(frozen=True, slots=True)
class OAuthUse:
    """OAuth at one MCP server.

    `client` is a credential with `client_id` and `client_secret`, for the authorization server `issuer` alone; without
    one we register ourselves. `kept` is where the vault has what a person authorized.
    """

    owner_id: str
    grant: Grant = "authorization_code"
    client: CredentialUse | None = None
    issuer: str | None = None
    scope: str | None = None
    kept: CredentialUse | None = None


def oauth_use(owner_id: str, oauth: Mapping[str, str], oauth_ref: str | None) -> OAuthUse:
    """What a server's row says."""
    client = oauth.get("client_ref")
    return OAuthUse(
        owner_id=owner_id, grant=cast("Grant", oauth["grant"]), issuer=oauth.get("issuer"), scope=oauth.get("scope"),
        client=None if client is None else CredentialUse(client, owner_id),
        kept=None if oauth_ref is None else CredentialUse(oauth_ref, owner_id),
    )  # fmt: skip
