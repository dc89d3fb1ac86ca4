"""What a change of a server makes of how it is reached."""

from dataclasses import replace

from pydantic_core import PydanticCustomError

from kgents_shared.errors import InvalidInput
from kgents_shared.http.vault import CredentialUse
from tool_registry_service.authorization.schemas import OAuthSettings
from tool_registry_service.authorization.setup import oauth_use
from tool_registry_service.mcp_client.targets import ServerTarget
from tool_registry_service.mcp_servers.schemas import McpServerChange, check_secrets


def waits_for_a_person(target: ServerTarget) -> bool:
    """Whether a person has to authorize the server before it can be asked anything."""
    oauth = target.oauth
    return oauth is not None and oauth.grant == "authorization_code" and oauth.kept is None


def as_stored(oauth: OAuthSettings | None) -> dict[str, str] | None:
    """OAuth at a server, as its row has it."""
    return None if oauth is None else oauth.model_dump(mode="json", exclude_none=True)


def changed(before: ServerTarget, change: McpServerChange) -> ServerTarget:
    """How the server is reached after a change. Raises `InvalidInput` for what doesn't go together."""
    given = change.model_fields_set
    if before.transport != "streamable_http" and given != {"name"}:
        raise InvalidInput(f"Of a server over {before.transport}, the name alone can be changed.", code="bad_change")
    said = change.oauth
    target = replace(
        before,
        name=change.name or before.name,
        url=change.url or before.url,
        headers=before.headers if change.headers is None else tuple(sorted(change.headers.items())),
    )
    if "credential_ref" in given:
        used = None if change.credential_ref is None else CredentialUse(change.credential_ref, before.owner_id)
        target = replace(target, credential=used)
    if "oauth" in given:
        target = replace(
            target, oauth=None if said is None else oauth_use(before.owner_id, as_stored(said) or {}, None)
        )
    elif target.oauth is not None and target.url != before.url:
        # Tokens are for one address (RFC 8707).
        target = replace(target, oauth=replace(target.oauth, kept=None))
    ref = None if target.credential is None else target.credential.credential_ref
    try:
        check_secrets(ref, dict(target.headers), has_oauth=target.oauth is not None)
    except PydanticCustomError as error:
        raise InvalidInput(f"This change can't be made: {error.message()}.", code="bad_change") from error
    return target
