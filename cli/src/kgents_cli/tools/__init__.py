"""Tools and MCP servers over the API."""
