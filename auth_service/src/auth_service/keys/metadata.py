"""What this server says of itself (RFC 8414 §2)."""

from typing import Any

from auth_service.machines.assertions import ALGORITHMS
from auth_service.tokens.schemas import GRANTS
from kgents_shared.auth import ALL_SCOPES

_BY_CLIENTS = ["client_secret_basic", "client_secret_post", "private_key_jwt"]


def token_endpoint(issuer: str) -> str:
    """Where tokens are asked for; the audience of what clients sign."""
    return _address(issuer, "/api/v1/auth/token")


def server_metadata(issuer: str) -> dict[str, Any]:
    """The metadata document. `none` is people's own client, which has no secret."""
    algorithms = list(ALGORITHMS)
    return {
        "issuer": issuer,
        "token_endpoint": token_endpoint(issuer),
        "token_endpoint_auth_methods_supported": [*_BY_CLIENTS, "none"],
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint": _address(issuer, "/api/v1/auth/introspect"),
        "introspection_endpoint_auth_methods_supported": _BY_CLIENTS,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint": _address(issuer, "/api/v1/auth/revoke"),
        "revocation_endpoint_auth_methods_supported": [*_BY_CLIENTS, "none"],
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "jwks_uri": _address(issuer, "/.well-known/jwks.json"),
        "scopes_supported": sorted(ALL_SCOPES),
        "response_types_supported": [],
        "grant_types_supported": list(GRANTS),
    }


def _address(issuer: str, path: str) -> str:
    return issuer.rstrip("/") + path
