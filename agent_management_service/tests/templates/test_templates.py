"""Templates over the API: the built-in ones, a directory's own, and what is wrong with a template."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from agent_management_service.main import create_app
from agent_management_service.settings import ManagementSettings
from agent_management_service.templates.errors import BrokenTemplate
from agent_management_service.templates.loading import load_template
from agent_management_service.templates.metadata import TemplateMetadata
from agent_management_service.templates.service import CATALOG, TemplateLibrary
from kgents_shared.testing.tokens import TokenIssuer

BUILT_IN = ["chatbot", "data-analyzer", "multi-agent", "researcher", "support-desk", "task-scheduler"]
METADATA = 'version = "1.2.0"\nauthor = "Ada"\ndescription = "Mine."\nusage = "Try it."\ntags = ["own"]\n'
AGENT = 'name = "mine"\nsystem_prompt = """\nname = "mine"\n"""  # stays\n'


def make_template(folder: Path, **files: str) -> Path:
    """A template's folder; `template=`, `agent=` and `scenarios=` replace its files."""
    folder.mkdir(parents=True)
    for name, text in ({"template": METADATA, "agent": AGENT, "scenarios": ""} | files).items():
        (folder / f"{name.replace('__', '-')}.toml").write_text(text)
    return folder


@pytest.fixture(scope="module")
async def own_app(
    tmp_path_factory: pytest.TempPathFactory, settings: ManagementSettings, issuer: TokenIssuer
) -> AsyncGenerator[tuple[FastAPI, Path]]:
    """The service with a directory of templates."""
    directory = tmp_path_factory.mktemp("templates")
    changed = settings.model_copy(update={"templates_dir": directory})
    app = create_app(changed, identity=issuer.identity)
    async with app.router.lifespan_context(app):
        yield app, directory


@pytest.fixture
async def own(own_app: tuple[FastAPI, Path], issuer: TokenIssuer) -> AsyncGenerator[tuple[httpx.AsyncClient, Path]]:
    app, directory = own_app
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = issuer.person("template-reader")
    async with httpx.AsyncClient(transport=transport, base_url="http://management", headers=headers) as client:
        yield client, directory
    for folder in directory.iterdir():
        shutil.rmtree(folder) if folder.is_dir() else folder.unlink()


async def test_the_list_tells_what_each_template_is_for(caller: httpx.AsyncClient):
    body = (await caller.get("/api/v1/templates")).json()
    assert [item["name"] for item in body["items"]] == BUILT_IN
    assert body["next_cursor"] is None
    for item in body["items"]:
        assert item["author"]
        assert item["description"]
        assert item["tags"]
        assert item["source"] == "built_in"
    assert [item["agents"] for item in body["items"]] == [1, 1, 3, 1, 1, 1]


async def test_the_list_comes_in_pages(caller: httpx.AsyncClient):
    names: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": "4"} | ({"cursor": cursor} if cursor else {})
        page = (await caller.get("/api/v1/templates", params=params)).json()
        names += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert names == BUILT_IN


async def test_a_cursor_of_another_list_is_refused(caller: httpx.AsyncClient):
    for name in ("one", "two", "three"):
        made = await caller.post("/api/v1/agents", json={"name": name, "system_prompt": "You help."})
        assert made.status_code == 201
    cursor = (await caller.get("/api/v1/agents", params={"limit": "1"})).json()["next_cursor"]
    answer = await caller.get("/api/v1/templates", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "bad_cursor")


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({"search": "SQL database"}, ["data-analyzer"]),
        ({"search": "calendar"}, ["task-scheduler"]),
        ({"tag": "research"}, ["multi-agent", "researcher"]),
        ({"tag": "research", "search": "three"}, ["multi-agent"]),
        ({"search": "poetry"}, []),
    ],
)
async def test_templates_are_found_by_words_and_tags(
    caller: httpx.AsyncClient, wanted: dict[str, str], names: list[str]
):
    items = (await caller.get("/api/v1/templates", params=wanted)).json()["items"]
    assert [item["name"] for item in items] == names


@pytest.mark.parametrize("name", BUILT_IN)
async def test_a_template_makes_agents_under_a_name_of_ones_own(caller: httpx.AsyncClient, name: str):
    found = (await caller.get(f"/api/v1/templates/{name}", params={"agent_name": "my-own"})).json()
    assert found["usage"]
    for agent in found["agents"]:
        assert agent["name"].startswith("my-own")
        assert agent["definition"].startswith(f"# Made from the template {name} {found['version']}.\n")
        made = await caller.post(
            "/api/v1/agents",
            params={"publish": "true"},
            content=agent["definition"],
            headers={"content-type": "application/toml"},
        )
        assert made.status_code == 201, made.text
        assert made.json()["name"] == agent["name"]
        assert made.json()["draft"]["description"]


async def test_without_a_name_the_agents_are_called_as_the_template(caller: httpx.AsyncClient):
    agents = (await caller.get("/api/v1/templates/multi-agent")).json()["agents"]
    assert [agent["name"] for agent in agents] == ["multi-agent", "multi-agent-researcher", "multi-agent-writer"]


@pytest.mark.parametrize("name", ["Not A Name", "", "templates", "n" * 60])
async def test_a_name_that_no_agent_can_have_is_refused(caller: httpx.AsyncClient, name: str):
    answer = await caller.get("/api/v1/templates/multi-agent", params={"agent_name": name})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["query", "agent_name"]


@pytest.mark.parametrize("name", ["nothing", "..", "%2e%2e%2fcatalog%2fchatbot", "CHATBOT", "%00"])
async def test_a_template_that_is_not_there_is_404(caller: httpx.AsyncClient, name: str):
    answer = await caller.get(f"/api/v1/templates/{name}")
    assert answer.status_code == 404


async def test_templates_are_for_those_who_may_read_agents(client_with: Any, issuer: TokenIssuer):
    nobody = await client_with({})
    lacking = await client_with(issuer.person("scopeless", scopes={"runs:read"}))
    for path in ("/api/v1/templates", "/api/v1/templates/chatbot"):
        assert (await nobody.get(path)).status_code == 401
        assert (await lacking.get(path)).status_code == 403


async def test_the_directorys_templates_stand_beside_the_built_in_ones(own: tuple[httpx.AsyncClient, Path]):
    client, directory = own
    make_template(directory / "mine")
    (directory / "notes").mkdir()
    (directory / "readme.txt").write_text("no template")
    items = {item["name"]: item for item in (await client.get("/api/v1/templates")).json()["items"]}
    assert set(items) == {*BUILT_IN, "mine"}
    assert (items["mine"]["source"], items["mine"]["version"]) == ("directory", "1.2.0")


async def test_a_template_of_the_directory_replaces_a_built_in_one_of_its_name(own: tuple[httpx.AsyncClient, Path]):
    client, directory = own
    make_template(directory / "chatbot", agent='name = "chatbot"\nsystem_prompt = "Ours."\n')
    found = (await client.get("/api/v1/templates/chatbot")).json()
    assert found["source"] == "directory"
    assert "Ours." in found["agents"][0]["definition"]


async def test_what_is_saved_is_there_at_once(own: tuple[httpx.AsyncClient, Path]):
    client, directory = own
    folder = make_template(directory / "mine")
    before = (await client.get("/api/v1/templates/mine")).json()
    (folder / "template.toml").write_text(METADATA.replace("1.2.0", "1.3.0"))
    after = (await client.get("/api/v1/templates/mine")).json()
    assert (before["version"], after["version"]) == ("1.2.0", "1.3.0")


async def test_a_broken_template_hides_no_other_and_says_what_is_wrong(own: tuple[httpx.AsyncClient, Path]):
    client, directory = own
    make_template(directory / "mine", agent='name = "mine"\nsystem_promt = "x"\n')
    items = (await client.get("/api/v1/templates")).json()["items"]
    assert [item["name"] for item in items] == BUILT_IN
    answer = await client.get("/api/v1/templates/mine")
    assert (answer.status_code, answer.json()["code"]) == (409, "template_broken")
    assert ["agent.toml", "system_promt"] in [fault["loc"] for fault in answer.json()["errors"]]


async def test_a_directory_that_goes_away_leaves_the_built_in_ones(tmp_path: Path):
    directory = tmp_path / "templates"
    make_template(directory / "mine")
    library = TemplateLibrary(directory)
    assert "mine" in [template.name for template in library.all()]
    shutil.rmtree(directory)
    assert [template.name for template in library.all()] == BUILT_IN


def test_only_the_name_changes_when_an_agent_is_named(tmp_path: Path):
    template = load_template(make_template(tmp_path / "mine"), "directory")
    [agent] = template.agents_named("yours").values()
    assert agent.definition == (
        '# Made from the template mine 1.2.0.\nname = "yours"\nsystem_prompt = """\nname = "mine"\n"""  # stays\n'
    )


@pytest.mark.parametrize(
    ("files", "codes"),
    [
        ({"template": "version = 1\n"}, {"missing", "string_type"}),
        ({"template": METADATA + 'licence = "x"\n'}, {"extra_forbidden"}),
        ({"template": METADATA.replace("1.2.0", "1.2")}, {"string_pattern_mismatch"}),
        ({"template": METADATA + 'needs_kgents = "99.0"\n'}, {"platform_too_old"}),
        ({"template": "= broken"}, {"toml_syntax"}),
        ({"agent": 'name = "other"\nsystem_prompt = "x"\n'}, {"wrong_name"}),
        ({"agent": "name = 'mine'\nsystem_prompt = \"x\"\n"}, {"fixed_name"}),
        ({"agent": 'system_prompt = """\nname = "mine"\n"""\n"name" = "mine"\n'}, {"fixed_name"}),
        ({"agent": 'name = "mine"\nsystem_prompt = ""\n'}, {"string_too_short"}),
        ({"scenarios": "[[case]"}, {"toml_syntax"}),
        ({"agent__more": 'name = "mine-more"\nsystem_prompt = "x"\n'}, {"missing_file"}),
        ({"scenarios__more": ""}, {"stray_file"}),
        ({"agent__Upper": 'name = "mine-upper"\nsystem_prompt = "x"\n'}, {"stray_file"}),
        ({"agent": 'name = "mine"\nsystem_prompt = "x"\n' + "#" * 262_144}, {"too_long"}),
    ],
    ids=lambda value: "+".join(sorted(value)) if isinstance(value, set) else None,
)
def test_a_template_that_would_not_work_is_refused_with_its_faults(
    tmp_path: Path, files: dict[str, str], codes: set[str]
):
    with pytest.raises(BrokenTemplate) as broken:
        load_template(make_template(tmp_path / "mine", **files), "directory")
    assert codes <= {fault.code for fault in broken.value.errors}


def test_all_faults_of_a_template_are_told_at_once(tmp_path: Path):
    folder = make_template(tmp_path / "Mine", template="x = 1\n", agent="y = 1\n")
    (folder / "scenarios.toml").write_bytes(b"\xff")
    with pytest.raises(BrokenTemplate) as broken:
        load_template(folder, "directory")
    files = {fault.loc[0] for fault in broken.value.errors if fault.loc}
    assert files == {"template.toml", "scenarios.toml"}
    assert {"bad_name", "not_utf8"} <= {fault.code for fault in broken.value.errors}


@pytest.mark.parametrize(
    ("needs", "running", "runs"),
    [("0.1", "0.1.0", True), ("0.2", "0.1.9", False), ("1", "1.0rc1", True), ("0.1.2", "0.1.10", True)],
)
def test_a_template_says_which_platform_it_needs(needs: str, running: str, runs: bool):
    metadata = TemplateMetadata(version="1.0.0", author="A", description="d", usage="u", needs_kgents=needs)
    assert metadata.runs_on(running) is runs


def test_every_folder_of_the_catalog_is_a_template():
    assert [template.name for template in TemplateLibrary().all()] == sorted(path.name for path in CATALOG.iterdir())


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
async def test_a_file_that_leads_out_of_its_template_is_not_shown(own: tuple[httpx.AsyncClient, Path], kind: str):
    client, directory = own
    folder = make_template(directory / "mine")
    scenarios = folder / "scenarios.toml"
    scenarios.unlink()
    outside = directory / "keys.toml"
    outside.write_text('key = "of somebody else"')
    if kind == "link":
        scenarios.symlink_to(outside)
    elif kind == "pipe":
        os.mkfifo(scenarios)
    else:
        scenarios.mkdir()
    answer = await client.get("/api/v1/templates/mine")
    assert (answer.status_code, answer.json()["code"]) == (409, "template_broken"), answer.text
    assert [(fault["loc"], fault["code"]) for fault in answer.json()["errors"]] == [
        (["scenarios.toml"], "unreadable_file")
    ]
    assert "somebody else" not in answer.text


def test_a_link_within_a_template_is_followed(tmp_path: Path):
    folder = make_template(tmp_path / "mine")
    (folder / "..data").mkdir()
    (folder / "agent.toml").rename(folder / "..data" / "agent.toml")
    (folder / "agent.toml").symlink_to("..data/agent.toml")
    assert load_template(folder, "directory").agents[0].definition == AGENT
