"""Kgents as an MCP server: `/mcp` offers its caller's agents and tools to any MCP client."""
