"""Tools, MCP servers and the one way to invoke them."""
