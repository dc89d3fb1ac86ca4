"""OAuth at the authorization servers of MCP servers (the MCP specification's part on authorization)."""
