"""What the tests in containers start from: an engine that answers, and the images of docker-compose.yml.

Nothing here is asked, and testcontainers isn't even imported, before the first fixture that needs it.
Where pytest itself runs in a container and the engine publishes ports on the loopback that both share, testcontainers
has to be told: TESTCONTAINERS_CONNECTION_MODE=docker_host.
"""

from __future__ import annotations

import gc
import os
import re
import time
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
_ANSWER_S = 10
_PULL_S = 120.0
_SILENCE_S = 20  # a registry that says nothing for so long is taken for away


@dataclass(frozen=True, slots=True)
class ComposeService:
    """A service of docker-compose.yml, as far as a test starts it: its image, command and fixed environment."""

    image: str
    command: list[str]
    environment: dict[str, str]


def compose_service(name: str, override: str) -> ComposeService:
    """What docker-compose.yml says of `name`; the environment variable `override` puts another image in."""
    said = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"][name]
    variable, default = cast("re.Match[str]", re.fullmatch(r"\$\{(\w+):-(.+)}", said["image"])).groups()
    image = os.environ.get(override) or os.environ.get(variable) or default
    fixed = {key: str(value) for key, value in said["environment"].items() if "${" not in str(value)}
    return ComposeService(image, list(said.get("command", ())), fixed)


@cache
def _engine_fault() -> str | None:
    """Why no container can be started here; None where an engine answers. Asked once a session."""
    from docker.errors import DockerException  # noqa: PLC0415 -- half a second that no other test should pay
    from requests import RequestException  # noqa: PLC0415
    from testcontainers.core.docker_client import DockerClient  # noqa: PLC0415

    try:
        DockerClient(timeout=_ANSWER_S).client.close()
    except (DockerException, RequestException, OSError) as error:
        fault = f"no Docker engine answers (DOCKER_HOST, the docker context or the default socket): {error}"
    else:
        return None
    with warnings.catch_warnings():  # docker's client leaves the socket open that nothing answered on
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    return fault


@cache
def _image_fault(image: str) -> str | None:
    """Why `image` isn't to be had: neither on the engine, nor from its registry within the bound. None if it is."""
    from docker.errors import APIError, DockerException, ImageNotFound  # noqa: PLC0415
    from requests import RequestException  # noqa: PLC0415
    from testcontainers.core.docker_client import DockerClient  # noqa: PLC0415

    client = DockerClient(timeout=_SILENCE_S).client
    try:
        client.images.get(image)
    except ImageNotFound:
        try:
            return _pull(client.api, image)
        except (APIError, DockerException, RequestException, OSError) as error:
            return f"the engine has no image {image} and can't pull it: {error}"
    finally:
        client.close()
    return None


def _pull(api: Any, image: str) -> str | None:
    deadline = time.monotonic() + _PULL_S
    for row in api.pull(image, stream=True, decode=True):
        if "error" in row:
            return f"the engine has no image {image} and can't pull it: {row['error']}"
        if time.monotonic() > deadline:
            return f"the engine has no image {image}, and pulling it takes longer than {_PULL_S:.0f} s"
    return None


def _use_what_is_there() -> None:
    """Do without testcontainers' reaper where its image isn't there: the fixtures remove what they started."""
    from testcontainers.core.config import testcontainers_config  # noqa: PLC0415
    from testcontainers.core.docker_client import DockerClient  # noqa: PLC0415

    client = DockerClient(timeout=_ANSWER_S).client
    testcontainers_config.ryuk_disabled = not client.images.list(name=testcontainers_config.ryuk_image)
    client.close()


def require(service: ComposeService, override: str) -> None:
    """Skip the test with the reason where its container can't be started here."""
    if fault := _engine_fault():
        pytest.skip(fault)
    if fault := _image_fault(service.image):
        pytest.skip(f"{fault} ({override} names another)")
    _use_what_is_there()
