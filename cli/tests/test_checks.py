"""Lint runs its checks side by side and shows what failed; test and chaos hand the right words to pytest."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from kgents_cli.checks import lint, suite
from kgents_cli.commands.bench import benchmarks

from .conftest import Kgents


def python(name: str, code: str) -> lint.Check:
    return lint.Check(name, (sys.executable, "-c", code))


def test_each_check_gets_a_line_and_only_failed_ones_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    checks = [python("good", "print('fine')"), python("bad", "import sys; print('line 3: wrong'); sys.exit(2)")]
    shown: list[str] = []
    outcomes = lint.run_checks(tmp_path, checks, lambda outcome: shown.append(outcome.check.name))
    assert sorted(shown) == ["bad", "good"]
    assert lint.report(outcomes) == 1
    told = capsys.readouterr().err
    assert "line 3: wrong" in told
    assert "fine" not in told
    assert lint.report([outcome for outcome in outcomes if outcome.code == 0]) == 0


def test_a_tool_that_is_not_installed_is_a_failed_check(tmp_path: Path):
    [outcome] = lint.run_checks(tmp_path, [lint.Check("gone", ("/nowhere/tool",))], lambda _: None)
    assert outcome.code == 1
    assert "No such file" in outcome.output


def test_an_unknown_check_is_bad_input(kgents: Kgents):
    ran = kgents("lint", "spelling")
    assert ran.code == 2
    assert "types, migrations, imports, ruff, format, references, locks" in ran.err


def test_one_check_can_be_run_alone(kgents: Kgents):
    ran = kgents("lint", "locks")
    assert ran.out.startswith("lint locks       ")
    assert ran.out.count("\n") == 1


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A folder with two tests, one of them for faults."""
    options = "--disable-plugin-autoload -p pytest_timeout -p no:cacheprovider"
    (tmp_path / "pytest.ini").write_text(f"[pytest]\nmarkers = chaos: kills\naddopts = {options}\n")
    (tmp_path / "test_it.py").write_text(
        "import os, pytest\n"
        "def test_plain(): pass\n"
        "@pytest.mark.chaos\n"
        "def test_fault(): assert os.environ['KGENTS_CHAOS_FULL'] == '1'\n"
    )
    return tmp_path


def test_pytest_has_the_last_word(workspace: Path, capfd: pytest.CaptureFixture[str]):
    assert suite.run_suite(workspace, ["-k", "plain"], with_lint=False) == 0
    assert "1 passed, 1 deselected in" in capfd.readouterr().out.splitlines()[-1]


def test_too_little_that_is_covered_fails_the_run_and_is_told_before_the_last_word(
    workspace: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    for name in [name for name in os.environ if name.startswith(("SLIPCOVER_", "PYTEST_"))]:
        monkeypatch.delenv(name)  # of the run that this test is in
    (workspace / "measured").mkdir()
    (workspace / "measured/half.py").write_text("def half(x):\n    if x:\n        return 1\n    return 2\n")
    (workspace / "pyproject.toml").write_text(
        '[tool.slipcover]\nbranch = true\nsource = "measured"\nformat = "json"\nout = "out.json"\nfail-under = 85\n'
    )
    options = (
        "--disable-plugin-autoload -p slipcover.pytest_plugin -p pytest_timeout -p xdist.plugin -p no:cacheprovider"
    )
    (workspace / "pytest.ini").write_text(f"[pytest]\nfilterwarnings = ignore\naddopts = {options}\n")
    (workspace / "test_it.py").write_text(
        "from measured.half import half\n\ndef test_half():\n    assert half(1) == 1\n"
    )
    code, said = suite.run_suite(workspace, (), with_lint=False, covered=True), capfd.readouterr()
    assert code == 2, said
    *_, file, total, last = said.out.splitlines()
    assert file.split() == ["measured/half.py", "6", "2", "66.7", "%"]
    assert total.split() == ["TOTAL", "6", "2", "66.7", "%"]
    assert "1 passed in" in last


_FAILS_BESIDE_OTHERS = (
    "import os, pathlib\n"
    "def test_calm(): pass\n"
    "def test_crowded():\n"
    "    pathlib.Path('tries').open('a').write('x')\n"
    "    assert 'PYTEST_XDIST_WORKER' not in os.environ\n"
)


@pytest.fixture
def crowded(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a test that passes, and one that fails beside others."""
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        monkeypatch.delenv(name)  # of the run that this test is in
    (workspace / "pytest.ini").write_text("[pytest]\naddopts = --disable-plugin-autoload -p xdist.plugin\n")
    (workspace / "test_it.py").write_text(_FAILS_BESIDE_OTHERS)
    return workspace


def test_what_fails_beside_others_is_tried_once_alone_and_named(crowded: Path, capfd: pytest.CaptureFixture[str]):
    assert suite.run_suite(crowded, (), with_lint=False) == 0
    said = capfd.readouterr().out
    assert "1 failed, 1 passed in" in said
    assert said.splitlines()[-1] == "Passed only when nothing ran beside them: test_it.py::test_crowded"
    assert (crowded / "tries").read_text() == "xx"


def test_what_fails_alone_too_fails_the_run(crowded: Path, capfd: pytest.CaptureFixture[str]):
    (crowded / "test_it.py").write_text(_FAILS_BESIDE_OTHERS + "    assert False\n")
    assert suite.run_suite(crowded, (), with_lint=False) == 1
    said = capfd.readouterr().out
    assert "1 failed in" in said.splitlines()[-1]
    assert (crowded / "tries").read_text() == "xx"


def test_where_much_fails_nothing_is_tried_again(crowded: Path, capfd: pytest.CaptureFixture[str]):
    (crowded / "test_it.py").write_text("".join(f"def test_{n}(): assert False\n" for n in range(6)))
    assert suite.run_suite(crowded, (), with_lint=False) == 1
    assert "6 failed in" in capfd.readouterr().out.splitlines()[-1]


def test_chaos_runs_the_fault_tests_alone_and_in_full(workspace: Path, capfd: pytest.CaptureFixture[str]):
    assert suite.run_chaos(workspace, ["-v"]) == 0
    assert "test_fault PASSED" in capfd.readouterr().out


def test_bench_lists_what_can_be_run_and_refuses_the_rest(kgents: Kgents):
    ran = kgents("bench")
    assert ran.code == 0
    assert ran.out.split() == benchmarks(Path(__file__).resolve().parents[2])
    missing = kgents("bench", "nothing")
    assert missing.code == 2
    assert "there is no benchmark 'nothing'" in missing.err
