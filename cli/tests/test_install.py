"""The installer around a uv that only notes what it is asked, and makes what a real one would make."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kgents_cli.bootstrap import install
from kgents_cli.bootstrap.faults import BootstrapError

SOURCES = Path(install.__file__).resolve().parents[2]

UV = f"""#!{sys.executable}
import os, subprocess, sys, time
from pathlib import Path

if sys.argv[1:] == ["--version"]:
    print("uv 99.0.0 (test)")
    sys.exit(0)
with open("uv-calls", "a") as noted:
    noted.write(" ".join(sys.argv[1:3]) + chr(10))
if sys.argv[1] == "venv":
    python, folder = sys.argv[sys.argv.index("--python") + 1], sys.argv[-1]
    subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True)
if Path("uv-fails").exists():
    print("error: disk quota exceeded", file=sys.stderr)
    sys.exit(2)
if Path("uv-waits").exists() and "-r" in sys.argv:
    Path("uv-is-waiting").touch()
    while Path("uv-waits").exists():
        time.sleep(0.01)
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    uv = tmp_path / "uv"
    uv.write_text(UV)
    uv.chmod(0o755)
    monkeypatch.setenv("KGENTS_UV", str(uv))
    root = tmp_path / "checkout"
    (root / "member").mkdir(parents=True)
    (root / "pyproject.toml").write_text('[tool.uv.workspace]\nmembers = ["member"]\n')
    return root


def calls(root: Path) -> list[str]:
    return (root / "uv-calls").read_text().splitlines()


def test_an_install_makes_the_environment_and_stamps_the_levels_below(root: Path):
    assert install.main([str(root), "dev", "print"]) == 0
    assert calls(root) == ["venv --quiet", "pip install", "pip install"]
    assert install.is_current(root, "dev", "print")
    assert install.is_current(root, "runtime", "print")
    assert not install.is_current(root, "bench", "print")
    assert not install.is_current(root, "dev", "other")


def test_what_is_current_is_not_installed_again(root: Path):
    install.main([str(root), "runtime", "print"])
    before = calls(root)
    install.main([str(root), "runtime", "print"])
    assert calls(root) == before


def test_changed_locks_are_installed_into_the_same_environment(root: Path):
    fingerprint = f"{root}\none"
    install.main([str(root), "runtime", fingerprint])
    install.main([str(root), "runtime", f"{root}\ntwo"])
    assert calls(root)[3:] == ["pip install", "pip install"]


def test_an_environment_of_another_path_is_made_anew(root: Path):
    install.main([str(root), "runtime", f"{root}\none"])
    moved = root.rename(root.with_name("moved"))
    install.main([str(moved), "runtime", f"{moved}\none"])
    assert calls(moved).count("venv --quiet") == 2


def test_an_install_that_failed_is_told_and_begun_from_a_fresh_environment(
    root: Path, capfd: pytest.CaptureFixture[str]
):
    (root / "uv-fails").touch()
    assert install.main([str(root), "runtime", "print"]) == 1
    told = capfd.readouterr().err
    assert "disk quota exceeded" in told
    assert "run ./kgents again" in told
    (root / "uv-fails").unlink()
    (root / ".venv/kgents-installing").touch()
    assert install.main([str(root), "runtime", "print"]) == 0
    assert calls(root).count("venv --quiet") == 2


def test_a_second_installer_waits_and_finds_everything_done(root: Path):
    (root / "uv-waits").touch()
    first, second = starting(root), None
    try:
        wait_for(root / "uv-is-waiting")
        second = starting(root)
        told = second.stderr.readline() if second.stderr else ""
        assert f"another ./kgents (process {first.pid}) is installing" in told
    finally:
        (root / "uv-waits").unlink()
        assert first.wait(60) == 0
        if second is not None:
            second.communicate(timeout=60)
            assert second.returncode == 0
        first.communicate()
    assert calls(root) == ["venv --quiet", "pip install", "pip install"]


def test_a_killed_installer_keeps_others_out_until_its_uv_has_ended(root: Path):
    (root / "uv-waits").touch()
    first = starting(root)
    wait_for(root / "uv-is-waiting")
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    second = starting(root)
    told = second.stderr.readline() if second.stderr else ""
    assert "is installing; waiting" in told
    assert second.poll() is None
    (root / "uv-waits").unlink()
    second.communicate(timeout=60)
    first.communicate()
    assert second.returncode == 0
    assert calls(root).count("venv --quiet") == 2  # what the first left half done was not built upon


def starting(root: Path) -> subprocess.Popen[str]:
    code = "import sys; from kgents_cli.bootstrap.install import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, str(root), "runtime", "print"]
    env = os.environ | {"PYTHONPATH": str(SOURCES)}
    return subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + 30
    while not file.exists():
        assert time.monotonic() < deadline, f"{file} did not appear"
        time.sleep(0.01)


def test_a_uv_that_is_named_but_no_uv_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KGENTS_UV", "/bin/true")
    with pytest.raises(BootstrapError, match="KGENTS_UV=/bin/true is not a uv"):
        install.install(root, "runtime", "print")


def test_a_checkout_whose_private_folder_cannot_be_made_is_told(root: Path, capfd: pytest.CaptureFixture[str]):
    (root / ".kgents").write_text("in the way")
    assert install.main([str(root), "runtime", "print"]) == 1
    assert "is not writable" in capfd.readouterr().err
