"""MCP servers that others wrote, from PyPI and npm, pinned by hash: what the tests register and call.

`python -m tests.external.real_mcp_servers` installs them all, as `./kgents test` does while lint runs.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from kgents_cli.tools.mcp_catalogue import Folders
from tests.external.environments import LOCKS, environment
from tests.external.nodejs import node, node_modules

_NPM = LOCKS / "mcp-servers-npm"


def mcp_time_command() -> Path:
    """The `mcp-server-time` program."""
    return from_pypi("mcp-server-time")


def from_pypi(name: str) -> Path:
    """The program of one of the servers in `locks/mcp-servers.txt`."""
    return environment("mcp-servers") / "bin" / name


def folders(data: Path) -> Folders:
    """Where all of them are, and the folder that they work in."""
    return Folders(environment("mcp-servers"), node(), data, node_modules(_NPM, "mcp-servers-npm"))


def prepare(data: Path) -> None:
    """What they work on: a repository with a commit, a folder with a file, a folder for what is remembered."""
    for name in ("repository", "files", "memory"):
        (data / name).mkdir()
    (data / "files" / "note.txt").write_text("Bring the rope.", encoding="utf-8")
    somebody = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.com"]
    for words in (["init", "--quiet"], [*somebody, "commit", "--quiet", "--allow-empty", "-m", "The first commit"]):
        subprocess.run(["git", "-C", str(data / "repository"), *words], check=True)


def pinned() -> dict[str, str]:
    """Package → the version that is installed here."""
    lines = (LOCKS / "mcp-servers.txt").read_text("utf-8").splitlines()
    found = dict(line.split(" ")[0].split("==") for line in lines if line.startswith("mcp-server-"))
    return found | json.loads((_NPM / "package.json").read_text("utf-8"))["dependencies"]


if __name__ == "__main__":
    folders(Path("/"))
