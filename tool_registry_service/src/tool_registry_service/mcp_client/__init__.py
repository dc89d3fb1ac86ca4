"""Sessions with MCP servers, over streamable HTTP and over the standard streams of a child process."""
