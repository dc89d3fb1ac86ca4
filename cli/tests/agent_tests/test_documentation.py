"""docs/testing-agents.md and docs/templates.md say what is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from agent_management_service.templates.metadata import TemplateMetadata
from agent_management_service.templates.service import TemplateLibrary
from cli.tests.conftest import Kgents
from kgents_shared.scenarios.files import Case, Expectations, Scenarios, Turn

DOCS = Path(__file__).resolve().parents[3] / "docs"
TESTING = (DOCS / "testing-agents.md").read_text("utf-8")
TEMPLATES = (DOCS / "templates.md").read_text("utf-8")
FILES = dict(re.findall(r"^```toml\n# (\S+\.toml)\n(.*?)^```", TESTING, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("name", [name for name in FILES if "scenarios" in name])
def test_the_pages_scenarios_pass(kgents: Kgents, tmp_path: Path, name: str):
    for file, text in FILES.items():
        (tmp_path / file).write_text(text)
    ran = kgents("test-agent", str(tmp_path / name))
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "1 passed")


def test_the_page_shows_what_its_first_example_prints(kgents: Kgents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for file, text in FILES.items():
        (tmp_path / file).write_text(text)
    monkeypatch.chdir(tmp_path)
    printed = re.sub(r"  \d+ ms", "  4 ms", kgents("test-agent", "clerk.scenarios.toml").out)
    assert f"$ kgents test-agent clerk.scenarios.toml\n{printed}```" in TESTING


@pytest.mark.parametrize("model", [Expectations, Scenarios, Case, Turn], ids=lambda model: model.__name__)
def test_the_page_names_every_field(model: type[Expectations | Scenarios | Case | Turn]):
    rows = "\n".join(line for line in TESTING.splitlines() if line.startswith("|"))
    assert [name for name in model.model_fields if f"`{name}`" not in rows and f".{name}]" not in rows
            and f"[{name}]" not in rows] == []  # fmt: skip


def test_the_catalog_in_the_page_is_the_one_that_is_built_in():
    rows = re.findall(r"^\| `([\w-]+)` \| (\d+) \| (.*?) \|", TEMPLATES, re.MULTILINE)
    listed = [(name, int(agents), set(re.findall(r"`([^`]+)`", tools))) for name, agents, tools in rows]
    built_in = [
        (
            one.name,
            len(one.agents),
            {
                name
                for agent in one.agents
                for name in tomllib.loads(agent.definition).get("tools", {}).get("allow", [])
            },
        )
        for one in TemplateLibrary().all()
    ]
    assert listed == built_in


def test_the_page_names_every_field_of_a_template():
    assert re.findall(r"^\| `(\w+)` \|", TEMPLATES.partition("field of `template.toml`")[2], re.MULTILINE) == list(
        TemplateMetadata.model_fields
    )
