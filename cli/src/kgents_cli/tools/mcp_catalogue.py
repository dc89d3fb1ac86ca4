"""Entries of the operator's list for MCP servers of others that are known to work."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

from kgents_cli.faults import BadInput, as_called
from kgents_cli.tables import show_table
from kgents_shared.contracts.tools import RESERVED_FIRST_NAMES


@dataclass(frozen=True, slots=True)
class Folders:
    """Where servers are installed on the machine that runs the platform, and the folder that they work in."""

    installed: Path
    node: Path
    data: Path
    modules: Path | None = None

    def filled(self, text: str) -> str:
        """`text` with its placeholders replaced."""
        for name, path in {
            "bin": self.installed / "bin",
            "modules": self.modules or self.installed / "node_modules",
            "node": self.node,
            "data": self.data,
        }.items():
            text = text.replace(f"{{{name}}}", str(path))
        return text


@dataclass(frozen=True, slots=True)
class KnownServer:
    """One server. `side_effects` are of its tools, by the names that it gives them."""

    name: str
    about: str
    package: str
    registry: str
    version: str
    template: Mapping[str, Any]
    preparing: Sequence[str]
    side_effects: Mapping[str, str]

    @property
    def free_name(self) -> str:
        """What it can be registered as: builtin tools have some of the names."""
        return f"mcp-{self.name}" if self.name in RESERVED_FIRST_NAMES else self.name

    def entry(self, folders: Folders) -> dict[str, Any]:
        """Its entry of `TOOLS_STDIO_ALLOWED`."""
        filled: dict[str, Any] = _filled(self.template, folders)
        return filled

    def install(self, folders: Folders) -> list[str]:
        """The commands that install it."""
        if self.registry == "npm":
            return [f"npm install --ignore-scripts --prefix {folders.installed} {self.package}@{self.version}"]
        return [
            f"python3 -m venv {folders.installed}",
            f"{folders.installed}/bin/pip install {self.package}=={self.version}",
        ]


@cache
def known_servers() -> dict[str, KnownServer]:
    """By name."""
    text = (files("kgents_cli.tools") / "mcp_catalogue.toml").read_text(encoding="utf-8")
    return {
        name: KnownServer(
            name,
            row["about"],
            row["package"],
            row["registry"],
            row["version"],
            row["entry"],
            row.get("prepare", []),
            row["side_effects"],
        )
        for name, row in tomllib.loads(text).items()
    }


def show_known_servers(*, as_json: bool) -> None:
    """What `kgents mcp catalogue` prints."""
    rows = list(known_servers().values())
    if as_json:
        shown = [
            {"name": row.name, "package": row.package, "registry": row.registry, "version": row.version,
             "network": row.template.get("network", "none"), "about": row.about}
            for row in rows
        ]  # fmt: skip
        click.echo(json.dumps(shown))
        return
    show_table(
        ("name", "package", "from", "network", "about"),
        [(row.name, row.package, row.registry, row.template.get("network", "none"), row.about) for row in rows],
    )


def show_known_server(name: str, folders: Folders, *, as_json: bool) -> None:
    """What `kgents mcp catalogue NAME` prints: how to install, allow and register it."""
    server = known_servers().get(name)
    if server is None:
        raise BadInput(f"No server of the catalogue is called {name}.", hint=f"there are: {', '.join(known_servers())}")
    entry = server.entry(folders)
    if as_json:
        click.echo(json.dumps({name: entry}))
        return
    writable = " ".join(entry.get("writable", []))
    lines = [
        f"# {server.about}",
        "# 1. Install it on the machine that runs the platform:",
        *server.install(folders),
        *([f"mkdir -p {writable}"] if writable else []),
        *(folders.filled(line) for line in server.preparing),
        "",
        "# 2. Allow it, in the environment of the platform (one object for all entries), or in config.toml:",
        f"export TOOLS_STDIO_ALLOWED='{json.dumps({name: entry})}'",
        "",
        "# 3. With the platform started anew, register it, and say what its tools do:",
        as_called(f"kgents mcp add {server.free_name} --command {name}"),
        *(
            as_called(f"kgents tools set {server.free_name}.{tool} --side-effect {effect}")
            for tool, effect in server.side_effects.items()
        ),
    ]
    click.echo("\n".join(lines))


def _filled(value: Any, folders: Folders) -> Any:
    if isinstance(value, str):
        return folders.filled(value)
    if isinstance(value, list):
        return [_filled(item, folders) for item in value]
    if isinstance(value, dict):
        return {key: _filled(item, folders) for key, item in value.items()}
    return value
