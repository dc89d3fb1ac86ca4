"""The images, built for real: where a Docker engine answers and KGENTS_TEST_BASE names an image to build from."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Generator
from pathlib import Path

import pytest

from kgents_shared.testing.polling import eventually
from tests.furniture.settings_names import SERVICES, image_of

ROOT = Path(__file__).resolve().parents[2]
NOBODY = "postgresql://nobody@127.0.0.1:1/none"
ASK = """
import urllib.error, urllib.request
try:
    answer = urllib.request.urlopen("http://127.0.0.1:8000/health")
except urllib.error.HTTPError as error:
    answer = error
print(answer.read().decode())
"""

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]


def docker(*words: str, check: bool = True) -> str:
    """Run the docker command; its output."""
    answer = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=800, check=False, cwd=ROOT)
    if check and answer.returncode != 0:
        raise AssertionError(f"docker {words[0]}: {answer.stdout[-1500:]}{answer.stderr[-1500:]}")
    return answer.stdout


@pytest.fixture(scope="module")
def base() -> str:
    """The image to build from."""
    if shutil.which("docker") is None:
        pytest.skip("there is no docker command on this machine")
    if subprocess.run(["docker", "info"], capture_output=True, timeout=30, check=False).returncode != 0:
        pytest.skip("no Docker engine answers (DOCKER_HOST, or the default socket)")
    named = os.environ.get("KGENTS_TEST_BASE")
    if not named:
        pytest.skip("KGENTS_TEST_BASE names no image with Python >= 3.11 and its venv module to build from")
    return named


@pytest.fixture
def container() -> Generator[str]:
    name = f"kgents-test-{uuid.uuid4().hex[:12]}"
    yield name
    docker("rm", "--force", "--volumes", name, check=False)


@pytest.mark.parametrize("name", SERVICES)
async def test_an_image_builds_and_says_truly_that_its_database_is_away(name: str, base: str, container: str) -> None:
    tag = f"{image_of(SERVICES[name])}:test"
    file = f"{SERVICES[name].package}/Dockerfile"
    docker("build", "--network", "host", "--build-arg", f"BASE={base}", "--file", file, "--tag", tag, ".")
    prefix = str(SERVICES[name].settings_type.model_config.get("env_prefix"))
    settings = {"DATABASE_URL": NOBODY, "NATS_URL": "nats://127.0.0.1:1", "CLIENT_SECRET": "for-this-test-only"}
    if name == "auth":
        settings["SIGNING_KEY_FILE"] = "/tmp/key.pem"  # noqa: S108 -- inside the container
    if name == "deployment":
        settings |= {"RUN_DIR": "/tmp/run", "LOGS_DIR": "/tmp/logs", "DOOR": "unix:/tmp/door/door.sock"}  # noqa: S108
    words = [word for key, value in settings.items() for word in ("--env", f"{prefix}{key}={value}")]
    docker("run", "--detach", "--name", container, "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", *words, tag)  # noqa: S108

    def health() -> dict[str, object]:
        told = docker("exec", container, "python3", "-c", ASK, check=False)
        return json.loads(told) if told else {}

    told = await eventually(health, timeout=60, interval=0.5, describe=f"{name} answers /health")
    assert told["service"] == name
    assert told["status"] == "degraded"
    assert docker("exec", container, "id", "-u").strip() == "10001"
    assert docker("exec", container, "alembic", "heads").strip().endswith("(head)")
