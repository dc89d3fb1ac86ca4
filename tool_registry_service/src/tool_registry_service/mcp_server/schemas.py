"""What MCP clients are told before they have a token."""

from kgents_shared.contracts.model import Contract


class ProtectedResource(Contract):
    """Where tokens for `/mcp` come from (RFC 9728 §2)."""

    resource: str
    authorization_servers: list[str]
    scopes_supported: list[str]
    bearer_methods_supported: list[str]
    resource_name: str
