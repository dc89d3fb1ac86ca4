"""The bootstrap script on small made-up checkouts: when it installs, when it does not, what it runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "kgents"


def executable(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)
    return file


class Checkout:
    """A folder that looks like the repository. Its installer only notes the call and leaves the stamps."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copy(SCRIPT, self._made(root / "kgents"))
        for name in ("kgents", "dev", "bench"):
            self._made(root / f"locks/{name}.txt").write_text(f"{name}==1\n")
        for folder in ("", "cli/", "service/worker/"):
            self._made(root / f"{folder}pyproject.toml").write_text("[project]\n")
        bootstrap = self._made(root / "cli/src/kgents_cli/bootstrap/install.py").parent
        (bootstrap / "__init__.py").touch()
        (bootstrap.parent / "__init__.py").touch()
        (bootstrap / "install.py").write_text(INSTALLER)
        (bootstrap.parent / "__main__.py").write_text("import sys\nprint('ran', *sys.argv[1:])\n")

    def _made(self, file: Path) -> Path:
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    def run(self, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        env = self.environment() | environment
        command = [str(self.root / "kgents"), *arguments]
        return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=60, check=False)

    def environment(self) -> dict[str, str]:
        return os.environ | {"PYTHONPATH": str(self.root / "cli/src"), "KGENTS_PYTHON": sys.executable}

    @property
    def installs(self) -> list[str]:
        noted = self.root / "installs"
        return noted.read_text().split() if noted.exists() else []


INSTALLER = """
import os, sys
from pathlib import Path

def main(arguments):
    root, level, fingerprint = arguments
    with open(f"{root}/installs", "a") as noted:
        noted.write(level + "\\n")
    if (Path(root) / "fail").exists():
        return 7
    link = Path(root, ".venv/bin/python")
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(sys.executable)
    levels = ["runtime", "dev", "bench"]
    for name in levels[: levels.index(level) + 1]:
        Path(root, f".venv/kgents-{name}.stamp").write_text(fingerprint + "\\n")
    return 0
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "with a space")


@pytest.mark.skipif(shutil.which("dash") is None, reason="no dash here")
def test_the_script_is_posix():
    assert subprocess.run(["dash", "-n", SCRIPT], check=False).returncode == 0


def test_the_first_call_installs_and_later_ones_do_not(checkout: Checkout):
    for _ in range(2):
        ran = checkout.run("agents", "list", "--json")
        assert (ran.returncode, ran.stdout) == (0, "ran agents list --json\n"), ran.stderr
    assert checkout.installs == ["runtime"]


@pytest.mark.parametrize(
    ("command", "level"), [("test", "bench"), ("lint", "bench"), ("bench", "bench"), ("chaos", "dev")]
)
def test_commands_for_developers_install_their_tools_on_demand(checkout: Checkout, command: str, level: str):
    checkout.run("version")
    checkout.run(command)
    checkout.run(command)
    checkout.run("version")
    assert checkout.installs == ["runtime", level]


@pytest.mark.parametrize("changed", ["locks/kgents.txt", "locks/dev.txt", "cli/pyproject.toml", "pyproject.toml"])
def test_a_changed_lock_or_project_file_installs_again(checkout: Checkout, changed: str):
    checkout.run("version")
    (checkout.root / changed).write_text("changed\n")
    checkout.run("version")
    checkout.run("version")
    assert checkout.installs == ["runtime", "runtime"]


def test_a_checkout_that_was_moved_installs_again(checkout: Checkout, tmp_path: Path):
    checkout.run("version")
    checkout.root = checkout.root.rename(tmp_path / "elsewhere")
    checkout.run("version")
    assert checkout.installs == ["runtime", "runtime"]


def test_an_environment_whose_python_is_gone_installs_again(checkout: Checkout):
    checkout.run("version")
    python = checkout.root / ".venv/bin/python"
    python.unlink()
    python.symlink_to("/nowhere/python3")
    assert checkout.run("version").returncode == 0
    assert checkout.installs == ["runtime", "runtime"]


def test_an_install_that_fails_runs_nothing_and_is_tried_again(checkout: Checkout):
    (checkout.root / "fail").touch()
    ran = checkout.run("version")
    assert (ran.returncode, ran.stdout) == (7, "")
    (checkout.root / "fail").unlink()
    assert checkout.run("version").stdout == "ran version\n"


def test_the_script_works_through_links_and_from_other_folders(checkout: Checkout, tmp_path: Path):
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "second").symlink_to(checkout.root / "kgents")
    (folder / "kg").symlink_to("second")
    env = checkout.environment()
    env["PATH"] = f"{folder}:{env['PATH']}"
    ran = subprocess.run(["sh", "-c", "kg x"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert ran.stdout == "ran x\n", ran.stderr


def test_the_command_learns_how_it_was_called_where_it_is_not_on_path(checkout: Checkout, tmp_path: Path):
    said = "import os\nprint(os.environ.get('KGENTS_CALLED'))\n"
    (checkout.root / "cli/src/kgents_cli/__main__.py").write_text(said)
    environment = {name: value for name, value in checkout.environment().items() if name != "KGENTS_CALLED"}

    def called(command: str, path: str) -> str:
        env = environment | {"PATH": path}
        ran = subprocess.run(
            ["/bin/sh", "-c", command], cwd=checkout.root, env=env, capture_output=True, text=True, check=True
        )
        return ran.stdout.splitlines()[-1]

    assert called("./kgents", "/usr/bin:/bin") == "./kgents"
    assert called("kgents", f"{checkout.root}:/usr/bin:/bin") == "None"


def test_files_of_the_current_folder_are_never_imported(checkout: Checkout, tmp_path: Path):
    (tmp_path / "kgents_cli").mkdir()
    (tmp_path / "kgents_cli/__main__.py").write_text("print('hijacked')\n")
    assert checkout.run("x", cwd=tmp_path).stdout == "ran x\n"


def test_a_python_that_is_too_old_is_passed_over(checkout: Checkout, tmp_path: Path):
    old = executable(tmp_path / "old/python3", "#!/bin/sh\nexit 1\n").parent
    executable(old / "python3.12", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    ran = checkout.run("x", KGENTS_PYTHON="", PATH=f"{old}:/usr/bin:/bin")
    assert ran.stdout == "ran x\n", ran.stderr


def test_without_any_python_one_sentence_says_what_to_do(checkout: Checkout, tmp_path: Path):
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "cksum", "readlink"):
        (tools / name).symlink_to(str(shutil.which(name)))
    ran = checkout.run("x", KGENTS_PYTHON="", PATH=str(tools))
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert "no Python 3.11 or newer on PATH: install one" in ran.stderr


def test_arguments_reach_the_command_to_the_byte(checkout: Checkout):
    text = "  two  words * $HOME \"quoted\" 'x' \\ é"
    assert checkout.run("message", "a", text).stdout == f"ran message a {text}\n"
