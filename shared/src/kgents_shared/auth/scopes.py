"""The scopes (`<resource>:<action>`, DESIGN §12) and what each seeded role brings."""

from collections.abc import Mapping

SCOPES: Mapping[str, str] = {
    "agents:read": "See agents and their versions.",
    "agents:write": "Make, change, publish, stop and delete agents.",
    "agents:invoke": "Send messages to agents.",
    "deployments:read": "See what runs, and what it logged.",
    "deployments:write": "Restart what runs.",
    "tools:read": "See MCP servers and tools.",
    "tools:write": "Register MCP servers, accept and delete their tools.",
    "tools:invoke": "Call tools oneself, without an agent.",
    "runs:read": "See runs.",
    "runs:write": "Cancel runs.",
    "conversations:read": "Read conversations.",
    "conversations:write": "Pin facts in conversations, reset and delete them.",
    "models:read": "See models, what they cost and whether their providers answer.",
    "models:write": "Say what models cost, and have local ones fetched.",
    "budgets:read": "See budgets and what is left of them.",
    "budgets:write": "Make and delete budgets of one's own agents, organisations and runs.",
    "usage:read": "See what one's agents and runs took of models.",
    "approvals:read": "See what agents ask people for, and what was decided.",
    "approvals:decide": "Approve or reject what agents ask for.",
    "policies:read": "See policies, and try what they would decide.",
    "policies:write": "Make, change and delete policies.",
    "platform:govern": "Make rules and policies that hold for every call on the platform.",
    "credentials:read": "See which credentials there are, never their secrets.",
    "credentials:write": "Store, rotate and delete credentials.",
    "keys:read": "See one's own API keys.",
    "keys:write": "Make and delete one's own API keys.",
    "clients:read": "See one's own applications.",
    "clients:write": "Make, change and delete one's own applications and their secrets.",
    "organisations:read": "See one's organisations and who is in them.",
    "organisations:write": "Make organisations, let people in and take them out.",
    "users:read": "See every person.",
    "users:write": "Make, disable and enable people.",
    "roles:read": "See roles, and who has them.",
    "roles:write": "Make and change roles, give and take them.",
    "vault:read": "See how the vault's master key stands.",
    "vault:write": "Rotate the vault's master key.",
}
ALL_SCOPES: frozenset[str] = frozenset(SCOPES)
_ADMIN_ONLY = frozenset(
    {
        "users:read",
        "users:write",
        "roles:read",
        "roles:write",
        "vault:read",
        "vault:write",
        "platform:govern",
        "models:write",
    }
)
_READS = frozenset(scope for scope in ALL_SCOPES - _ADMIN_ONLY if scope.endswith(":read"))

ROLE_SCOPES: dict[str, frozenset[str]] = {
    "admin": ALL_SCOPES,
    "developer": ALL_SCOPES - _ADMIN_ONLY,
    # Keeps what others made running: no definitions, no secrets.
    "operator": _READS - {"credentials:read"}
    | {"deployments:write", "agents:invoke", "runs:write", "conversations:write", "keys:write"},
    "viewer": _READS,
    # Sees what is asked of an agent, what it did and what it wants to do, and decides on that.
    "approver": frozenset(
        {
            "agents:read",
            "tools:read",
            "runs:read",
            "conversations:read",
            "approvals:read",
            "approvals:decide",
            "keys:read",
            "organisations:read",
        }
    ),
}
ROLE_DESCRIPTIONS: Mapping[str, str] = {
    "admin": "May do everything.",
    "developer": "Makes agents, tools and credentials; what everybody who registers gets.",
    "operator": "Keeps running what others made.",
    "viewer": "Reads.",
    "approver": "Decides on what agents ask for.",
}
