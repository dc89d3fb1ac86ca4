import dataclasses
import json
from pathlib import Path
from typing import Annotated

import pytest
from fastapi import FastAPI
from pydantic import AfterValidator, AliasChoices, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from kgents_shared.http.service import ServiceDefinition
from kgents_shared.http.settings import ServiceSettings
from platform_host.config import ConfigError, HostSettings
from platform_host.service_settings import Surroundings, admin_credentials, build_settings, client_secret


def _red(colour: str) -> str:
    if colour != "red":
        raise ValueError("must be red")
    return colour


class ModelSettings(ServiceSettings):
    """Settings with a plain field, an aliased one and a bounded one."""

    model_config = SettingsConfigDict(env_prefix="RUNTIME_", populate_by_name=True)

    retries: int = 2
    patience_s: Annotated[float, Field(gt=0)] = 1.0
    colour: Annotated[str, AfterValidator(_red)] = "red"
    openai_base_url: Annotated[
        str | None, Field(validation_alias=AliasChoices("OPENAI_BASE_URL", "openai_base_url"))
    ] = None


class KeySettings(ServiceSettings):
    """Settings of a service that is told of every other."""

    model_config = SettingsConfigDict(env_prefix="AUTH_")

    signing_key_file: Path
    admin_email: str
    admin_password: SecretStr
    service_clients: dict[str, SecretStr]


class HidingSettings(ServiceSettings):
    """Settings of a service that starts programs of others."""

    stdio_hidden: list[Path] = Field(default_factory=list[Path])


def create_app(_: ServiceSettings) -> FastAPI:
    return FastAPI()


DEFINITIONS = {
    "auth": ServiceDefinition("auth", "auth_service", "identity", KeySettings, create_app),
    "runtime": ServiceDefinition("runtime", "agent_runtime_service", "runtime", ModelSettings, create_app),
}


def surroundings(home: Path, sections: dict[str, dict[str, object]] | None = None) -> Surroundings:
    return Surroundings(
        settings=HostSettings(home=home, sections=sections or {}),
        issuer="http://localhost:8080",
        private_url="http://127.0.0.1:1234",
        nats_url="nats://127.0.0.1:4222",
        nats_token="t",
        database_urls={"auth": "postgresql://a@h/kgents", "runtime": "postgresql://r@h/kgents"},
    )


def model_settings(around: Surroundings) -> ModelSettings:
    built = build_settings(DEFINITIONS, around)["runtime"]
    assert isinstance(built, ModelSettings)
    return built


def test_a_service_gets_its_own_role_the_siblings_addresses_and_the_bus(tmp_path: Path) -> None:
    settings = model_settings(surroundings(tmp_path))
    assert settings.database_url.get_secret_value() == "postgresql://r@h/kgents"
    assert (settings.auth_url, settings.runtime_url) == ("http://127.0.0.1:1234/auth", "http://127.0.0.1:1234/runtime")
    assert settings.nats_token is not None
    assert (settings.nats_url, settings.nats_token.get_secret_value()) == ("nats://127.0.0.1:4222", "t")
    assert settings.issuer == "http://localhost:8080"


def test_every_service_has_a_secret_of_its_own_that_auth_knows(tmp_path: Path) -> None:
    built = build_settings(DEFINITIONS, surroundings(tmp_path))
    auth = built["auth"]
    assert isinstance(auth, KeySettings)
    known = {name: secret.get_secret_value() for name, secret in auth.service_clients.items()}
    assert known == {name: settings.client_secret.get_secret_value() for name, settings in built.items()}
    assert len(set(known.values())) == 2
    for file in (tmp_path / "secrets").iterdir():
        assert file.stat().st_mode & 0o777 == 0o600
    again = build_settings(DEFINITIONS, surroundings(tmp_path))
    assert again == built


def test_the_first_boot_makes_an_admin_and_later_ones_keep_it(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    settings = HostSettings(home=tmp_path)
    email, password = admin_credentials(settings)
    file = tmp_path / "secrets" / "admin.json"
    assert json.loads(file.read_text()) == {"email": email, "password": password}
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(password) >= 32
    assert admin_credentials(settings) == (email, password)
    file.write_text("{}")
    with pytest.raises(ConfigError, match="must hold an email and a password"):
        admin_credentials(settings)


def test_secrets_are_not_shared_between_services(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    settings = HostSettings(home=tmp_path)
    assert client_secret(settings, "auth") != client_secret(settings, "runtime")


def test_config_toml_sets_a_services_own_fields_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sections: dict[str, dict[str, object]] = {
        "runtime": {"retries": 5, "patience_s": 2.5, "openai_base_url": "http://from.file"}
    }
    around = surroundings(tmp_path, sections)
    settings = model_settings(around)
    assert (settings.retries, settings.patience_s, settings.openai_base_url) == (5, 2.5, "http://from.file")
    monkeypatch.setenv("RUNTIME_RETRIES", "7")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://from.environment")
    settings = model_settings(around)
    assert (settings.retries, settings.patience_s) == (7, 2.5)
    assert settings.openai_base_url == "http://from.environment"


def test_the_environment_can_not_override_what_the_host_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME_DATABASE_URL", "postgresql://elsewhere")
    settings = model_settings(surroundings(tmp_path))
    assert settings.database_url.get_secret_value() == "postgresql://r@h/kgents"


def test_all_faults_of_all_sections_are_told_at_once(tmp_path: Path) -> None:
    sections: dict[str, dict[str, object]] = {
        "runtime": {"retires": 1, "patience_s": -1, "colour": "blue", "database_url": "x"},
        "auth": {"colour": "red"},
    }
    with pytest.raises(ConfigError) as caught:
        build_settings(DEFINITIONS, surroundings(tmp_path, sections))
    assert caught.value.faults == (
        "config.toml: [auth] 'colour' is not a setting",
        "config.toml: [runtime] 'retires' is not a setting; did you mean \"retries\"?",
        "config.toml: [runtime] 'database_url' is decided by the host",
        "settings of runtime: patience_s: Input should be greater than 0",
        "settings of runtime: colour: must be red",
    )


def test_programs_of_others_see_neither_the_home_nor_the_sockets_wherever_they_lie(tmp_path: Path) -> None:
    tools = {"tools": ServiceDefinition("tools", "tool_registry_service", "tools", HidingSettings, create_app)}
    for home in (tmp_path / "short", tmp_path / ("long" * 25)):
        around = surroundings(home, {"tools": {"stdio_hidden": ["/srv/other"]}})
        around = dataclasses.replace(around, database_urls={"tools": "postgresql://t@h/kgents"})
        hidden = getattr(build_settings(tools, around)["tools"], "stdio_hidden", [])
        assert {home, Path("/srv/other")} <= set(hidden)
        for needed in (around.settings.paths.secrets, around.settings.paths.door):
            assert any(needed.is_relative_to(path) for path in hidden)


class DeployingSettings(ServiceSettings):
    """Settings of the service that runs flows."""

    run_dir: Path
    langflow_dir: Path


def test_what_flows_run_on_lies_in_the_home_unless_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deploying = ServiceDefinition(
        "deployment", "agent_deployment_service", "deployments", DeployingSettings, create_app
    )
    monkeypatch.delenv("DEPLOYMENT_LANGFLOW_DIR", raising=False)

    def chosen() -> Path:
        around = dataclasses.replace(surroundings(tmp_path), database_urls={"deployment": "postgresql://d@h/kgents"})
        found = build_settings({"deployment": deploying}, around)["deployment"]
        assert isinstance(found, DeployingSettings)
        return found.langflow_dir

    assert chosen() == tmp_path / "langflow"
    monkeypatch.setenv("DEPLOYMENT_LANGFLOW_DIR", str(tmp_path / "shared"))
    assert chosen() == tmp_path / "shared"
