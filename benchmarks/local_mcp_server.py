"""A local MCP server over stdio with one tool that costs nothing: what calls of it cost is the platform's."""

from mcp.server.fastmcp import FastMCP

server = FastMCP("local", log_level="WARNING")


@server.tool()
def add(a: int, b: int) -> int:
    """The sum of two numbers."""
    return a + b


if __name__ == "__main__":
    server.run()
