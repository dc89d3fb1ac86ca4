from pathlib import Path

import pytest

from platform_host.config import ConfigError, HomePaths, load_settings


def environment(home: Path, **values: str) -> dict[str, str]:
    return {"KGENTS_HOME": str(home), **values}


def test_without_file_or_environment_the_defaults_hold(tmp_path: Path) -> None:
    settings = load_settings(environment(tmp_path))
    assert (settings.home, settings.port, settings.bind) == (tmp_path, 8080, "127.0.0.1")
    assert settings.database_url is None
    assert settings.sections == {}


def test_the_home_is_dot_kgents_in_the_users_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_settings({}).home == tmp_path / ".kgents"
    assert load_settings({"KGENTS_HOME": "~/other"}).home == tmp_path / "other"


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        'port = 1111\nbind = "0.0.0.0"\ncors_origins = ["https://a.example"]\n[runtime]\nopenai_timeout_s = 5\n'
    )
    settings = load_settings(
        environment(tmp_path, KGENTS_PORT="2222", KGENTS_CORS_ORIGINS="https://b.example, https://c.example")
    )
    assert (settings.port, settings.bind) == (2222, "0.0.0.0")  # noqa: S104 - what is being read
    assert settings.cors_origins == ["https://b.example", "https://c.example"]
    assert settings.sections == {"runtime": {"openai_timeout_s": 5}}


def test_every_fault_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('prot = 1\nruntime = 3\nlog_level = "LOUD"\ndatabase_url = "mysql://x"\n')
    with pytest.raises(ConfigError) as caught:
        load_settings(environment(tmp_path, KGENTS_PORT="70000", KGENTS_BIND="nowhere", NATS_URL="http://x"))
    faults = "\n".join(caught.value.faults)
    assert len(caught.value.faults) == 7
    assert "config.toml: 'prot' is not a setting; did you mean \"port\"?" in faults
    assert "config.toml: runtime must be a table: [runtime]" in faults
    assert "config.toml: log_level: input should be 'DEBUG'" in faults
    assert "config.toml: database_url: must be an address that begins with postgresql://" in faults
    assert "KGENTS_PORT: input should be less than or equal to 65535" in faults
    assert "KGENTS_BIND: must be an IP address such as 127.0.0.1" in faults
    assert "NATS_URL: must be an address that begins with nats:// or tls://" in faults


def test_who_is_let_in_and_who_is_believed_is_named(tmp_path: Path) -> None:
    given = {"KGENTS_TRUSTED_PROXIES": "10.0.0.0/8, ::1", "KGENTS_CORS_ORIGINS": "https://a.example"}
    settings = load_settings(environment(tmp_path, **given))
    assert (settings.trusted_proxies, settings.cors_origins) == (["10.0.0.0/8", "::1/128"], ["https://a.example"])
    with pytest.raises(ConfigError) as caught:
        load_settings(environment(tmp_path, KGENTS_TRUSTED_PROXIES="0.0.0.0/0", KGENTS_CORS_ORIGINS="*"))
    first, second = sorted(caught.value.faults)
    assert first.startswith("KGENTS_CORS_ORIGINS: must name each origin, such as https://app.example.com")
    assert second.startswith("KGENTS_TRUSTED_PROXIES: must name your proxies")
    with pytest.raises(ConfigError, match=r"must be an address or a network such as 10\.0\.0\.0/8"):
        load_settings(environment(tmp_path, KGENTS_TRUSTED_PROXIES="my-proxy"))


def test_a_fault_never_repeats_a_secret(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(environment(tmp_path, DATABASE_URL="mysql://admin:hunter2@host/x"))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"port = \n", "line 1, column 8"),
        (b"port = 8080\nport = 8081\n", "line 2"),
        (b"port = 1 # \xff", "byte 11 is not UTF-8"),
    ],
)
def test_a_broken_file_is_told_with_its_place(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "config.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        load_settings(environment(tmp_path))


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(ConfigError, match="can't be read"):
        load_settings(environment(tmp_path))


def test_sockets_lie_in_the_home_unless_their_paths_would_grow_too_long(tmp_path: Path) -> None:
    assert HomePaths(Path("/srv/kgents")).sockets == Path("/srv/kgents/run")
    deep = HomePaths(tmp_path / ("long" * 20))
    elsewhere = deep.sockets
    assert elsewhere != deep.run
    assert elsewhere == HomePaths(deep.home).sockets
    assert len(f"{elsewhere}/instances/00000000-0000-0000-0000-000000000000/worker.sock") <= 107
