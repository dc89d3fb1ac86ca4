"""MCP servers that others wrote, from PyPI and npm, pinned by hash: what the tests register and call.

`python -m tests.external.real_mcp_servers` installs them all, as `./kgents test` does while lint runs.
"""

from __future__ import annotations

from pathlib import Path

from tests.external.environments import LOCKS, environment
from tests.external.nodejs import node, node_modules


def mcp_time_command() -> Path:
    """The `mcp-server-time` program."""
    return from_pypi("mcp-server-time")


def from_pypi(name: str) -> Path:
    """The program of one of the servers in `locks/mcp-servers.txt`."""
    return environment("mcp-servers") / "bin" / name


def from_npm(name: str) -> tuple[Path, Path]:
    """Node.js, and the script of the package `@modelcontextprotocol/<name>` in `locks/mcp-servers-npm/`."""
    modules = node_modules(LOCKS / "mcp-servers-npm", "mcp-servers-npm")
    return node(), modules / "@modelcontextprotocol" / name / "dist" / "index.js"


if __name__ == "__main__":
    mcp_time_command()
    from_npm("server-everything")
