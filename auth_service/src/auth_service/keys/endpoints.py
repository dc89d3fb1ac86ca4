"""What the world may know: the keys (RFC 7517) and where everything is (RFC 8414)."""

from typing import Any

from fastapi import Response

from auth_service.dependencies import PartsDep
from auth_service.keys.metadata import server_metadata
from auth_service.keys.rotation import CACHED_S
from kgents_shared.http.routing import Router

router = Router(prefix="/.well-known", tags=["discovery"])
_MAX_AGE = f"public, max-age={CACHED_S}"


@router.get("/jwks.json")
async def get_signing_keys(parts: PartsDep, response: Response) -> dict[str, Any]:
    """The public keys that access tokens are signed with, or will be soon, as a JWK set."""
    await parts.key_rotation.follow_closely()
    response.headers["Cache-Control"] = _MAX_AGE
    return parts.keys.jwks()


@router.get("/oauth-authorization-server")
async def get_authorization_server_metadata(parts: PartsDep, response: Response) -> dict[str, Any]:
    """Authorization server metadata, RFC 8414 §2."""
    response.headers["Cache-Control"] = _MAX_AGE
    return server_metadata(parts.settings.issuer)
