import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from platform_host.instance import InstanceLock

UP = [sys.executable, "-m", "platform_host", "up"]


def run(home: Path, command: list[str] | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a host that is expected to end by itself."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("KGENTS_", "DATABASE_"))}
    environment |= {"KGENTS_HOME": str(home), "KGENTS_PORT": "0", **variables}
    return subprocess.run(command or UP, env=environment, capture_output=True, text=True, timeout=60, check=False)


def sentences(ended: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in ended.stderr.splitlines() if line.startswith("kgents: ")]


def test_bad_settings_are_all_told_and_end_with_2(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("prot = 1\n")
    ended = run(tmp_path, KGENTS_BIND="nowhere")
    assert ended.returncode == 2
    assert [line.split(":")[1].strip() for line in sentences(ended)] == ["config.toml", "KGENTS_BIND"]
    assert "Traceback" not in ended.stderr


def test_another_command_than_up_is_bad_input(tmp_path: Path) -> None:
    ended = run(tmp_path, [*UP[:-1], "down"])
    assert (ended.returncode, sentences(ended)) == (2, ["kgents: usage: python -m platform_host up"])


def test_a_taken_port_is_one_sentence_and_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = run(tmp_path, KGENTS_PORT=str(port))
    assert ended.returncode == 1
    assert sentences(ended) == [f"kgents: port {port} is taken by another program; stop it or set KGENTS_PORT"]
    assert not (tmp_path / "postgres").exists()  # nothing slow was begun


def test_a_second_host_is_one_sentence_and_1(tmp_path: Path) -> None:
    with InstanceLock(tmp_path / "run", tmp_path):
        ended = run(tmp_path)
    assert ended.returncode == 1
    assert sentences(ended) == [
        f"kgents: a server is already running for {tmp_path} (process {os.getpid()}); stop it with: kgents server stop"
    ]


def test_a_home_that_is_no_folder_is_one_sentence_and_1(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.touch()
    ended = run(home)
    assert ended.returncode == 1
    assert sentences(ended) == [f"kgents: {home}: there is a file where a folder should be; set KGENTS_HOME to another"]


def test_a_home_where_no_folder_can_be_made_is_one_sentence_and_1() -> None:
    ended = run(Path("/proc/kgents"))
    assert ended.returncode == 1
    assert sentences(ended) == ["kgents: /proc/kgents: no folder can be made there; set KGENTS_HOME to another"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("size=64k,nr_inodes=6", "the disk is full; free some space and start again"),
        ("size=8m", "the disk is full; free some space and start again (initdb ended"),
        ("ro", "the file system is read-only; set KGENTS_HOME to a folder that can be written"),
    ],
    ids=["full at once", "full during the first boot", "read-only"],
)
def test_a_disk_that_takes_nothing_is_one_sentence_and_1(tmp_path: Path, options: str, sentence: str) -> None:
    mount = f'mount -t tmpfs -o {options} tmpfs "$0" && exec "$@"'
    ended = run(tmp_path, ["unshare", "--mount", "sh", "-c", mount, str(tmp_path), *UP])
    assert ended.returncode == 1
    assert len(sentences(ended)) == 1
    assert sentence in sentences(ended)[0]
    assert "Traceback" not in ended.stderr


def test_a_home_that_may_not_be_written_is_one_sentence_and_1(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    as_ordinary_user = ["unshare", "--user", "--map-user=65534"] if os.geteuid() == 0 else []
    ended = run(tmp_path / "home", [*as_ordinary_user, *UP])
    assert ended.returncode == 1
    assert sentences(ended) == [
        f"kgents: {tmp_path / 'home'}: this user may not write there; set KGENTS_HOME to a folder of yours"
    ]
