"""docker-compose.yml: what it names exists, agrees with the code, and holds no secret."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from tests.furniture.settings_names import SERVICES, image_of, known_variables, required_variables

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yml"
COMPOSE = cast("dict[str, Any]", yaml.safe_load(FILE.read_text("utf-8")))
PARTS = cast("dict[str, dict[str, Any]]", COMPOSE["services"])
SECRET_NAMES = re.compile(r"PASSWORD|SECRET|TOKEN|KEY$|CLIENTS|DATABASE_URL")
ONCE = {"provision", "folders", *(f"migrate-{name}" for name in SERVICES)}


def test_there_is_a_part_for_each_service_and_what_they_need() -> None:
    assert set(PARTS) == {*SERVICES, *ONCE, "postgres", "nats", "gateway"}


@pytest.mark.parametrize("name", [*SERVICES, "gateway"])
def test_what_is_built_is_built_from_a_dockerfile_that_is_there(name: str) -> None:
    build = PARTS[name]["build"]
    text = (ROOT / build["context"] / build["dockerfile"]).read_text("utf-8")
    assert "ARG BASE=" in text
    assert [argument.split("=")[0] for argument in build["args"]] == ["BASE"]
    assert PARTS[name]["image"] == (image_of(SERVICES[name]) if name in SERVICES else "kgents/gateway")
    default = re.search(r"ARG BASE=(\S+)", text)
    assert default is not None
    assert build["args"][0].endswith(f":-{default[1]}}}")


def test_every_image_is_built_here_or_named_with_its_version() -> None:
    built = {part["image"] for part in PARTS.values() if "build" in part}
    for name, part in PARTS.items():
        assert part["image"] in built or re.search(r":-\S+:\S+\}$", part["image"]), name


@pytest.mark.parametrize("name", sorted(set(PARTS) - ONCE))
def test_what_runs_on_has_a_healthcheck_and_is_started_again(name: str) -> None:
    assert PARTS[name]["healthcheck"]["test"]
    assert PARTS[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_gets_the_settings_that_it_needs_and_none_that_it_does_not_know(name: str) -> None:
    given = set(PARTS[name]["environment"])
    assert given <= known_variables(SERVICES[name])
    assert required_variables(SERVICES[name]) <= given


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_connects_as_its_own_role_and_starts_after_its_migrations(name: str) -> None:
    prefix = str(SERVICES[name].settings_type.model_config.get("env_prefix"))
    url = f"postgresql://{SERVICES[name].role}:${{{prefix}DATABASE_PASSWORD}}@postgres/kgents"
    migration = PARTS[f"migrate-{name}"]
    assert PARTS[name]["environment"][f"{prefix}DATABASE_URL"] == url
    assert migration["environment"] == {f"{prefix}DATABASE_URL": url}
    assert migration["image"] == PARTS[name]["image"]
    assert migration["depends_on"]["provision"]["condition"] == "service_completed_successfully"
    assert PARTS[name]["depends_on"][f"migrate-{name}"]["condition"] == "service_completed_successfully"


def test_no_secret_stands_in_the_file() -> None:
    for name, part in PARTS.items():
        for variable, value in part.get("environment", {}).items():
            if SECRET_NAMES.search(variable) and not variable.endswith("_FILE"):
                secret = value.split("://", 1)[-1] if variable.endswith("DATABASE_URL") else value
                assert "${" in secret, f"{name}: {variable}"


def test_only_the_gateway_is_reached_from_outside_and_only_it_and_the_callers_of_the_world_reach_out() -> None:
    assert [name for name, part in PARTS.items() if "ports" in part] == ["gateway"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    outside = {name for name, part in PARTS.items() if "outside" in part.get("networks", [])}
    assert outside == {"gateway", "runtime", "tools"}


@pytest.mark.parametrize("name", [*SERVICES, "gateway"])
def test_a_container_has_no_more_rights_than_it_needs(name: str) -> None:
    part = PARTS[name]
    assert part["cap_drop"] == ["ALL"]
    assert part["read_only"] is True
    assert "no-new-privileges:true" in part["security_opt"]


def test_what_opens_the_sandboxes_walls_opens_nothing_else() -> None:
    overlay = yaml.safe_load((ROOT / "docker-compose.sandbox.yml").read_text("utf-8"))
    options = ["no-new-privileges:true", "seccomp=unconfined", "systempaths=unconfined"]
    assert overlay == {"services": {"deployment": {"security_opt": options}}}


def test_nats_writes_to_disk_before_it_answers_and_wants_its_token() -> None:
    text = (ROOT / "infrastructure" / "nats.conf").read_text("utf-8")
    assert re.search(r"^\s+sync_interval: always$", text, re.MULTILINE)
    assert "authorization { token: $NATS_TOKEN }" in text
    assert "./infrastructure/nats.conf:/etc/nats/kgents.conf:ro" in PARTS["nats"]["volumes"]


def test_every_folder_and_volume_that_is_mounted_exists() -> None:
    for name, part in PARTS.items():
        for mount in part.get("volumes", []):
            source = mount.split(":")[0]
            known = (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
            assert known, f"{name}: {mount}"


def test_docker_compose_itself_takes_the_file(tmp_path: Path) -> None:
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("no docker-compose on this machine; the file was judged without it above")
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    filled = "\n".join(f"{line}x" if re.fullmatch(r"[A-Z][A-Z0-9_]+=", line) else line for line in lines)
    env_file = tmp_path / "env"
    env_file.write_text(filled, encoding="utf-8")
    command = [program, "--file", str(FILE), "--env-file", str(env_file), "config", "--quiet"]
    answer = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=os.environ | {"HOME": str(tmp_path)}
    )
    assert answer.returncode == 0, answer.stderr
