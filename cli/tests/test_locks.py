"""The committed locks fit the workspace, and what would not is found without a network."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kgents_cli.locks import find_faults, lock_exports, parse_lock, run

ROOT = Path(__file__).resolve().parents[2]
HASH = "--hash=sha256:" + "a" * 64


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """One member and one service with matching locks."""
    (tmp_path / "pyproject.toml").write_text('[tool.uv.workspace]\nmembers = ["lib", "some_service"]\n')
    member(tmp_path / "lib", "lib", ["one>=1"], {"service": ["two>=2; sys_platform == 'linux'"]})
    member(tmp_path / "some_service", "some-service", ["lib[service]", "three==3"], {})
    (tmp_path / "locks").mkdir()
    pins = "".join(
        f"{name}=={version} \\\n    {HASH}\n" for name, version in (("one", 1), ("two", "2.5"), ("three", 3))
    )
    for name in (*lock_exports(tmp_path), "uv.txt"):
        (tmp_path / "locks" / name).write_text(pins)
    return tmp_path


def member(folder: Path, name: str, dependencies: list[str], extras: dict[str, list[str]]) -> None:
    folder.mkdir(exist_ok=True)
    text = (
        f'[project]\nname = "{name}"\nversion = "1"\ndependencies = {dependencies}\n[project.optional-dependencies]\n'
    )
    (folder / "pyproject.toml").write_text(text + "".join(f"{key} = {value}\n" for key, value in extras.items()))


def rewrite(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_the_committed_locks_fit_the_workspace():
    assert find_faults(ROOT) == []


def test_every_service_and_the_worker_have_a_lock_for_their_image():
    names = set(lock_exports(ROOT))
    services = {f"{folder.name}.txt" for folder in ROOT.glob("*_service") if (folder / "pyproject.toml").is_file()}
    assert services | {"agent_worker.txt", "kgents.txt", "dev.txt", "bench.txt", "build.txt"} == names


def test_the_worker_image_gets_no_database_driver():
    pinned = parse_lock((ROOT / "locks/agent_worker.txt").read_text())
    assert not {"psycopg", "sqlalchemy", "alembic"} & set(pinned)


def test_locks_that_fit_have_no_faults(workspace: Path):
    assert find_faults(workspace) == []


def test_a_requirement_that_the_lock_does_not_meet_is_named_with_its_member(workspace: Path):
    rewrite(workspace / "locks/some_service.txt", "two==2.5", "two==1.9")
    assert find_faults(workspace) == [
        'locks/some_service.txt: lib needs two>=2; sys_platform == "linux", but 1.9 is locked'
    ]


def test_a_new_dependency_that_nobody_locked_is_named(workspace: Path):
    rewrite(workspace / "lib/pyproject.toml", "['one>=1']", "['one>=1', 'four']")
    assert "locks/kgents.txt: lib needs four, which is not locked" in find_faults(workspace)


def test_a_dependency_for_another_system_need_not_be_locked(workspace: Path):
    rewrite(workspace / "lib/pyproject.toml", "['one>=1']", "['one>=1', 'four; sys_platform == \"win32\"']")
    assert find_faults(workspace) == []


def test_a_missing_file_a_missing_hash_and_an_address_are_found(workspace: Path):
    (workspace / "locks/bench.txt").unlink()
    rewrite(workspace / "locks/dev.txt", f"one==1 \\\n    {HASH}", "one==1")
    (workspace / "locks/kgents.txt").write_text(
        "--index-url https://host/simple\n" + (workspace / "locks/kgents.txt").read_text()
    )
    faults = find_faults(workspace)
    assert "locks/bench.txt is missing" in faults
    assert "locks/dev.txt: one has no hash" in faults
    assert "locks/kgents.txt:1: names an index or a path: --index-url https://host/simple" in faults


def test_check_says_which_command_makes_them_current(workspace: Path, capsys: pytest.CaptureFixture[str]):
    assert run(workspace, check=True) == 0
    shutil.rmtree(workspace / "locks")
    assert run(workspace, check=True) == 1
    assert "run ./kgents locks" in capsys.readouterr().err


def test_pins_that_markers_split_are_both_kept():
    lock = parse_lock(
        f"a==1 ; python_version < '3.12' \\\n    {HASH}\na==2 ; python_version >= '3.12' \\\n    {HASH}\n"
    )
    assert [str(version) for version in lock["a"].versions] == ["1", "2"]
    assert lock["a"].hashes == 2
