"""uv from a package index without pip: real pages, real files, the pinned hash."""

from __future__ import annotations

import hashlib
import io
import os
import platform
import threading
import zipfile
from collections.abc import Generator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kgents_cli.bootstrap.faults import BootstrapError
from kgents_cli.bootstrap.pip_settings import PipSettings
from kgents_cli.bootstrap.uv_program import obtain_uv
from kgents_cli.bootstrap.uv_wheel import UvPin, download_uv, fits_platform, read_pin

MACHINE = platform.machine()
TAG = f"manylinux_2_17_{MACHINE}.musllinux_1_1_{MACHINE}.macosx_11_0_universal2"
WHEEL = f"uv-7.0.0-py3-none-{TAG}.whl"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        del format, args


@pytest.fixture
def pin(tmp_path: Path) -> UvPin:
    """An index folder at tmp_path/simple that offers a uv 7.0.0, and another version and platform beside it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as wheel:
        wheel.writestr("uv-7.0.0.data/scripts/uv", "#!/bin/sh\necho 'uv 7.0.0 (test)'\n")
    folder = tmp_path / "simple/uv"
    folder.mkdir(parents=True)
    (folder / WHEEL).write_bytes(packed.getvalue())
    others = ("uv-7.0.1-py3-none-any.whl", "uv-7.0.0-py3-none-win_amd64.whl", "uv-7.0.0.tar.gz")
    links = "".join(f'<a href="{name}#sha256=0">{name}</a>\n' for name in (*others, WHEEL))
    (folder / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")
    return UvPin("7.0.0", frozenset({hashlib.sha256(packed.getvalue()).hexdigest()}))


@pytest.fixture
def index(tmp_path: Path, pin: UvPin) -> Generator[str]:
    del pin
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/simple"
    server.shutdown()
    server.server_close()
    thread.join()


def test_uv_comes_from_an_index_over_http(index: str, pin: UvPin, tmp_path: Path):
    program = download_uv(pin, PipSettings(index_url=index), tmp_path / "got")
    assert program == tmp_path / "got/bin/uv"
    assert os.access(program, os.X_OK)


def test_uv_comes_from_an_index_that_is_a_folder(pin: UvPin, tmp_path: Path):
    settings = PipSettings(no_index=False, index_url=(tmp_path / "simple").as_uri())
    assert download_uv(pin, settings, tmp_path / "got").exists()


def test_uv_comes_from_a_folder_of_wheels(pin: UvPin, tmp_path: Path):
    settings = PipSettings(no_index=True, find_links=(str(tmp_path / "simple/uv"),))
    assert download_uv(pin, settings, tmp_path / "got").exists()


def test_a_file_with_another_hash_is_refused(index: str, tmp_path: Path):
    with pytest.raises(BootstrapError, match="not the file that"):
        download_uv(UvPin("7.0.0", frozenset({"0" * 64})), PipSettings(index_url=index), tmp_path / "got")
    assert not (tmp_path / "got").exists()


def test_an_index_that_does_not_offer_it_is_told(index: str, tmp_path: Path, pin: UvPin):
    with pytest.raises(BootstrapError, match=r"no index offers uv 8.0.0"):
        download_uv(UvPin("8.0.0", pin.hashes), PipSettings(index_url=index), tmp_path / "got")


def test_an_index_that_does_not_answer_is_told_with_the_next_step(tmp_path: Path, pin: UvPin):
    with pytest.raises(BootstrapError, match=r"Connection refused.*check the network and pip's index-url"):
        download_uv(pin, PipSettings(index_url="http://127.0.0.1:9/simple"), tmp_path / "got")


@pytest.mark.parametrize(
    ("tag", "system", "machine", "libc", "fits"),
    [
        ("manylinux_2_17_x86_64", "linux", "x86_64", "glibc", True),
        ("manylinux2014_x86_64", "linux", "x86_64", "glibc", True),
        ("manylinux_2_17_aarch64", "linux", "arm64", "glibc", True),
        ("musllinux_1_1_x86_64", "linux", "x86_64", "musl", True),
        ("musllinux_1_1_x86_64", "linux", "x86_64", "glibc", False),
        ("manylinux_2_17_i686", "linux", "x86_64", "glibc", False),
        ("macosx_11_0_arm64", "darwin", "arm64", None, True),
        ("macosx_10_12_x86_64", "darwin", "arm64", None, False),
        ("win_amd64", "linux", "x86_64", "glibc", False),
    ],
)
def test_only_wheels_for_this_platform_fit(tag: str, system: str, machine: str, libc: str | None, fits: bool):
    assert fits_platform(tag, system, machine, libc) is fits


def test_without_pip_and_uv_the_checkout_gets_a_uv_of_its_own(
    index: str, pin: UvPin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    root = tmp_path / "checkout"
    (root / "locks").mkdir(parents=True)
    [digest] = pin.hashes
    (root / "locks/uv.txt").write_text(f"uv==7.0.0 \\\n    --hash=sha256:{digest}\n")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("KGENTS_UV", raising=False)
    monkeypatch.setattr("sys.executable", "/nowhere/python3")  # a Python that can't run pip
    told: list[str] = []
    assert obtain_uv(root, PipSettings(index_url=index), told.append) == root / ".kgents/uv-7.0.0/bin/uv"
    assert told == ["fetching uv 7.0.0 into .kgents/uv-7.0.0"]
    assert obtain_uv(root, PipSettings(index_url="http://127.0.0.1:9"), told.append).exists()
    assert [item.name for item in (root / ".kgents").iterdir()] == ["uv-7.0.0"]


def test_the_committed_pin_is_whole():
    found = read_pin(Path(__file__).resolve().parents[2] / "locks/uv.txt")
    assert len(found.hashes) > 10


def test_a_pin_file_without_a_pin_is_told(tmp_path: Path):
    (tmp_path / "uv.txt").write_text("# nothing\n")
    with pytest.raises(BootstrapError, match="pins no uv"):
        read_pin(tmp_path / "uv.txt")
    with pytest.raises(BootstrapError, match="git checkout locks"):
        read_pin(tmp_path / "missing.txt")
