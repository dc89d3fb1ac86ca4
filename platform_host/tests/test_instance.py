import os
from pathlib import Path

import pytest

from platform_host.embedded.identity import ProcessIdentity
from platform_host.instance import AlreadyRunningError, InstanceLock


def test_a_second_host_of_a_home_is_told_which_process_has_it(tmp_path: Path) -> None:
    with (
        InstanceLock(tmp_path / "run", tmp_path),
        pytest.raises(AlreadyRunningError, match=rf"\(process {os.getpid()}\); stop it with: kgents server stop"),
        InstanceLock(tmp_path / "run", tmp_path),
    ):
        raise AssertionError("two hosts hold one home")


def test_the_pid_file_names_this_process_and_goes_with_it(tmp_path: Path) -> None:
    file = tmp_path / "run" / "host.pid"
    with InstanceLock(tmp_path / "run", tmp_path):
        pid, started = file.read_text().split()
        assert ProcessIdentity.of(os.getpid()) == ProcessIdentity(int(pid), started)
        assert file.stat().st_mode & 0o777 == 0o600
    assert not file.exists()


@pytest.mark.parametrize("left", ["", "garbage", "1\n", f"{os.getppid()}\nlong-ago\n"])
def test_a_pid_file_that_was_left_over_hinders_nobody(tmp_path: Path, left: str) -> None:
    file = tmp_path / "run" / "host.pid"
    file.parent.mkdir()
    file.write_text(left)
    with InstanceLock(tmp_path / "run", tmp_path):
        assert file.read_text().startswith(f"{os.getpid()}\n")
