"""What a stdio server is shown of the machine: its installation, however it was installed, and nothing beside it."""

from pathlib import Path
from typing import Any

import pytest

from tool_registry_service.mcp_client.visible_files import Sight, sight_of
from tool_registry_service.settings import StdioCommand


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A virtual environment on a Python of its own, a Node.js with modules, and what belongs to somebody else."""
    files = {
        "python/bin/python3.11": "ELF", "python/lib/libpython.so": "",
        "env/pyvenv.cfg": f"home = {tmp_path}/python/bin\n",
        "env/bin/server": f"#!{tmp_path}/env/bin/python\n", "env/lib/site.py": "",
        "env/bin/by-name": "#!/usr/bin/env python3.11\n", "node/bin/node": "ELF", "node/lib/x": "",
        "modules/node_modules/@x/server/dist/index.js": "", "modules/node_modules/dependency/index.js": "",
        "home/bin/tool": f"#!{tmp_path}/python/bin/python3.11\n", "home/letters.txt": "", "home/scripts/server.py": "",
        "data/notes.txt": "", "other/secret.txt": "",
    }  # fmt: skip
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "env/bin/python").symlink_to(tmp_path / "python/bin/python3.11")
    return tmp_path


def sight(root: Path, command: str, *args: str, **more: Any) -> Sight:
    words = tuple(word.format(root=root) for word in args)
    return sight_of(StdioCommand(command=root / command, args=words, **more))


def below(root: Path, shown: Sight) -> set[str]:
    """What is shown of the test's own tree."""
    return {place.removeprefix(f"{root}/") for place, _ in shown.shown if place.startswith(f"{root}/")}


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["env/bin/server"], {"env", "python"}),
        (["env/bin/python", "-I", "{root}/home/scripts/server.py"], {"env", "python", "home/scripts/server.py"}),
        (
            ["node/bin/node", "{root}/modules/node_modules/@x/server/dist/index.js", "{root}/data"],
            {"node", "modules/node_modules", "data"},
        ),
        (["home/bin/tool"], {"home/bin/tool", "python"}),
        (["node/bin/node", "{root}/nowhere", "--flag", "relative/path", "/"], {"node"}),
    ],
)
def test_a_server_sees_its_installation_and_what_the_entry_names(root: Path, words: list[str], shown: set[str]) -> None:
    assert below(root, sight(root, *words)) == shown


def test_an_interpreter_is_found_by_its_name(root: Path) -> None:
    found = sight(root, "env/bin/by-name", environment={"PATH": str(root / "python/bin")})
    assert below(root, found) == {"env", "python"}


def test_folders_that_an_entry_adds_are_shown_and_written(root: Path) -> None:
    (root / "link").symlink_to(root / "data")
    found = sight(root, "node/bin/node", readable=(root / "other",), writable=(root / "link",))
    assert below(root, found) == {"node", "other"}
    data = str(root / "data")
    assert dict(found.writable) == {data: data, str(root / "link"): data}


def test_of_the_system_programs_are_shown_and_no_state_no_secret_and_nobodys_home(root: Path) -> None:
    found = sight(root, "node/bin/node")
    places = {place for place, _ in found.shown} | {place for place, _ in found.links}
    assert {"/usr", "/bin", "/etc/passwd"} <= places
    shown = {Path(place) for place, _ in found.shown}
    for path in ("/etc/shadow", "/etc/ssl/private", "/root/.ssh", "/home/x", "/var/lib", "/run/docker.sock", "/tmp/x"):  # noqa: S108 -- to be left out
        assert not shown & {Path(path), *Path(path).parents}, path


@pytest.mark.parametrize("path", ["/usr/bin/python3", "/bin/sh"])
def test_a_program_of_the_system_brings_nothing_else_along(path: str) -> None:
    places = {Path(place).parts[1] for place, _ in sight_of(StdioCommand(command=Path(path))).shown}
    assert places <= {"usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc", "sys", "nix", "gnu", "var"}
