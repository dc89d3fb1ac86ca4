"""What the world may know: the keys (RFC 7517) and where everything is (RFC 8414)."""

from typing import Any

from fastapi import APIRouter, Response

from auth_service.dependencies import PartsDep
from kgents_shared.auth import ALL_SCOPES

router = APIRouter(prefix="/.well-known", tags=["discovery"])
_MAX_AGE = "public, max-age=300"


@router.get("/jwks.json")
async def get_signing_keys(parts: PartsDep, response: Response) -> dict[str, Any]:
    """The public keys that access tokens are signed with, as a JWK set."""
    response.headers["Cache-Control"] = _MAX_AGE
    return parts.keys.jwks()


@router.get("/oauth-authorization-server")
async def get_authorization_server_metadata(parts: PartsDep, response: Response) -> dict[str, Any]:
    """Authorization server metadata, RFC 8414 §2."""
    issuer = parts.settings.issuer.rstrip("/")
    response.headers["Cache-Control"] = _MAX_AGE
    return {
        "issuer": parts.settings.issuer,
        "token_endpoint": f"{issuer}/api/v1/auth/token",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "scopes_supported": sorted(ALL_SCOPES),
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
    }
