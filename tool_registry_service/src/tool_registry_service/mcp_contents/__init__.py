"""What MCP servers have beside tools: resources and prompts, for people to read."""
