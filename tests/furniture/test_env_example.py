"""`.env.example` names every setting that there is, and holds no secret."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

from infrastructure.env_example import TARGET, render, service_settings
from kgents_shared.http.service import installed_services
from platform_host import config

ROOT = Path(__file__).resolve().parents[2]
NAMES = re.compile(r"^(?:# )?([A-Z][A-Z0-9_]+)=", re.MULTILINE)


def test_the_committed_file_is_current() -> None:
    assert TARGET.read_text("utf-8") == render(), "run python -P infrastructure/env_example.py"


def test_every_setting_of_the_services_and_the_host_is_named() -> None:
    named = set(NAMES.findall(TARGET.read_text("utf-8")))
    for definition in installed_services().values():
        wanted = {variable for variable, _ in service_settings(definition.settings_type)}
        assert len(wanted) == len(definition.settings_type.model_fields)
        assert wanted <= named
    of_the_host = cast("dict[str, str]", vars(config)["_ENVIRONMENT"])
    assert {"KGENTS_HOME", *of_the_host.values()} <= named


def test_what_compose_demands_is_there_to_fill_in_and_nothing_is_filled_in() -> None:
    text = TARGET.read_text("utf-8")
    demanded = set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yml").read_text("utf-8")))
    open_lines = dict(re.findall(r"^([A-Z][A-Z0-9_]+)=(.*)$", text, re.MULTILINE))
    assert set(open_lines) == demanded
    assert set(open_lines.values()) == {""}
    offered = set(NAMES.findall(text))
    with_default = set(re.findall(r"\$\{(\w+):-", (ROOT / "docker-compose.yml").read_text("utf-8")))
    assert with_default <= offered | {"OPENAI_MODEL", "NATS_TOKEN"}
