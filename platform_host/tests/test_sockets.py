import socket
from pathlib import Path

import pytest

from platform_host.config import HomePaths
from platform_host.sockets import PortTakenError, bind_tcp, socket_folder


def test_a_port_that_is_taken_is_one_sentence_with_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            PortTakenError, match=f"port {port} is taken by another program; stop it or set KGENTS_PORT"
        ):
            bind_tcp("127.0.0.1", port)


def test_an_address_that_this_machine_has_not_is_told() -> None:
    with pytest.raises(PortTakenError, match=r"no address 192\.0\.2\.1; set KGENTS_BIND"):
        bind_tcp("192.0.2.1", 0)


def test_a_bound_socket_lets_callers_wait_for_the_server() -> None:
    with bind_tcp("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()) as caller:
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getpeername() == caller.getsockname()


def test_the_door_lies_in_the_run_folder_and_stays_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = HomePaths(tmp_path)
    monkeypatch.setattr("platform_host.config._LONGEST_RUN_FOLDER", 1000)
    with socket_folder(paths):
        assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
        assert paths.door.parent == tmp_path / "run" / "door"
    assert (tmp_path / "run" / "door").is_dir()


def test_a_stand_in_for_a_home_with_a_long_path_goes_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    paths = HomePaths(tmp_path / ("long" * 20))
    with socket_folder(paths):
        assert paths.sockets.parent == tmp_path
        assert (paths.sockets / "door").is_dir()
    assert not paths.sockets.exists()


def test_a_stand_in_that_is_not_a_folder_of_ours_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    paths = HomePaths(tmp_path / ("long" * 20))
    (tmp_path / "elsewhere").mkdir()
    paths.sockets.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError), socket_folder(paths):
        raise AssertionError("a planted folder was taken")
