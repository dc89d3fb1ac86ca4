"""MCP servers that people register."""
