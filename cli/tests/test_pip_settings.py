"""pip's settings are found where pip finds them, and reach uv."""

from __future__ import annotations

from pathlib import Path

import pytest

from kgents_cli.bootstrap.pip_settings import PipSettings, config_files, read_pip_settings, uv_environment


def conf(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "xdg"), "XDG_CONFIG_HOME": str(tmp_path / "own")}


def test_nearer_files_override_and_the_environment_overrides_all(tmp_path: Path, env: dict[str, str]):
    conf(tmp_path / "xdg/pip/pip.conf", "[global]\nindex-url = http://far/simple\ntimeout = 7\ncert = /far.pem\n")
    conf(
        tmp_path / "own/pip/pip.conf", "[global]\nindex_url = http://near/simple\n[install]\nfind-links =\n  /a\n  /b\n"
    )
    named = conf(tmp_path / "named.conf", "[global]\ncert = /named.pem\n")
    found = read_pip_settings(
        env | {"PIP_CONFIG_FILE": str(named), "PIP_EXTRA_INDEX_URL": "file:///x http://y/simple"},
        prefix=tmp_path / "py",
    )
    assert found.index_url == "http://near/simple"
    assert found.find_links == ("/a", "/b")
    assert found.cert == "/named.pem"
    assert found.indexes == ("http://near/simple", "file:///x", "http://y/simple")
    assert read_pip_settings(env | {"PIP_INDEX_URL": "http://env/simple"}, prefix=tmp_path).index_url == (
        "http://env/simple"
    )


def test_a_config_file_of_dev_null_turns_all_files_off(tmp_path: Path, env: dict[str, str]):
    conf(tmp_path / "own/pip/pip.conf", "[global]\nindex-url = http://near/simple\n")
    assert read_pip_settings(env | {"PIP_CONFIG_FILE": "/dev/null"}, prefix=tmp_path).index_url is None


def test_a_broken_file_counts_as_absent(tmp_path: Path, env: dict[str, str]):
    conf(tmp_path / "own/pip/pip.conf", "no section\n")
    assert read_pip_settings(env, prefix=tmp_path).index_url is None


def test_macs_keep_their_files_in_the_library(tmp_path: Path, env: dict[str, str]):
    library = conf(tmp_path / "Library/Application Support/pip/pip.conf", "")
    assert library in config_files(env, tmp_path, tmp_path, platform="darwin")


def test_no_index_leaves_only_the_find_links(tmp_path: Path, env: dict[str, str]):
    found = read_pip_settings(env | {"PIP_NO_INDEX": "true"}, prefix=tmp_path)
    assert found.indexes == ()
    assert uv_environment(found, {})["UV_NO_INDEX"] == "1"


def test_uv_gets_every_setting_in_its_own_words():
    settings = PipSettings(
        index_url="http://i/simple", extra_index_urls=("file:///x", "http://y"), find_links=("/a", "/b"),
        cert="/c.pem", client_cert="/me.pem", trusted_hosts=("h1", "h2:1"), proxy="http://p", timeout="9",
    )  # fmt: skip
    assert uv_environment(settings, {"UV_INDEX_STRATEGY": "first-index", "VIRTUAL_ENV": "/v", "KEPT": "1"}) == {
        "UV_DEFAULT_INDEX": "http://i/simple",
        "UV_INDEX": "file:///x http://y",
        "UV_FIND_LINKS": "/a,/b",
        "UV_INSECURE_HOST": "h1 h2:1",
        "UV_HTTP_TIMEOUT": "9",
        "UV_INDEX_STRATEGY": "first-index",
        "SSL_CERT_FILE": "/c.pem",
        "SSL_CLIENT_CERT": "/me.pem",
        "HTTP_PROXY": "http://p",
        "HTTPS_PROXY": "http://p",
        "UV_PYTHON_DOWNLOADS": "never",
        "KEPT": "1",
    }
