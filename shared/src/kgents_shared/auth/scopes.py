"""The scopes (`<resource>:<action>`, DESIGN §12) and what each seeded role brings."""

ALL_SCOPES: frozenset[str] = frozenset(
    {
        "agents:read",
        "agents:write",
        "agents:invoke",
        "deployments:read",
        "deployments:write",
        "tools:read",
        "tools:write",
        "runs:read",
        "conversations:read",
        "credentials:read",
        "credentials:write",
        "keys:read",
        "keys:write",
        "users:read",
        "users:write",
        "vault:read",
        "vault:write",
    }
)
_ADMIN_ONLY = frozenset({"users:read", "users:write", "vault:read", "vault:write"})

ROLE_SCOPES: dict[str, frozenset[str]] = {
    "admin": ALL_SCOPES,
    "developer": ALL_SCOPES - _ADMIN_ONLY,
    "viewer": frozenset(scope for scope in ALL_SCOPES - _ADMIN_ONLY if scope.endswith(":read")),
}
