"""What `kgents tools add|refresh|remove` ask of the API for HTTP tools and imported APIs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Answer, Api, Kgents

TOOLS = "/api/v1/tools"
ONE_TOOL = """
name = "weather.now"
description = "The weather."
[request]
method = "GET"
url = "https://weather.example/now"
"""
DOCUMENT = "openapi: 3.1.0\npaths: {}\n"
IMPORTS = f"{TOOLS}/imports"
IMPORTED: dict[str, Any] = {
    "api": {"id": "i-1", "name": "shop", "warnings": ["'getX' is left out"]},
    "tools": [{"name": "shop.get", "side_effect": "external", "suggested_side_effect": "read"}],
}


def page(*items: Any) -> Answer:
    return Answer(200, {"items": list(items), "next_cursor": None})


def sent(api: Api, path: str) -> Any:
    (body,) = api.bodies("POST", path)
    return json.loads(body)


def test_one_http_tool_is_made_of_a_file(kgents: Kgents, api: Api, tmp_path: Path):
    file = tmp_path / "weather.toml"
    file.write_text(ONE_TOOL)
    api.will("POST", TOOLS, Answer(201, {"name": "weather.now", "side_effect": "read"}))
    ran = kgents("tools", "add", str(file), "--side-effect", "read", "--credential", "cred_1")
    assert (ran.code, ran.out) == (0, "The tool weather.now is made, side effect read.\n")
    body = sent(api, TOOLS)
    assert (body["name"], body["side_effect"], body["credential_ref"]) == ("weather.now", "read", "cred_1")
    assert body["request"]["method"] == "GET"


@pytest.mark.parametrize("source", ["file", "address"])
def test_an_api_is_imported(kgents: Kgents, api: Api, tmp_path: Path, source: str):
    file = tmp_path / "shop.yaml"
    file.write_text(DOCUMENT)
    url = "https://shop.example/openapi.json"
    api.will("POST", f"{TOOLS}/import", Answer(201, IMPORTED))
    ran = kgents(
        "tools", "add", str(file) if source == "file" else url, "--name", "shop", "--only", "get*",
        "--side-effect", "get*=read", "--side-effect", "external",
    )  # fmt: skip
    assert (ran.code, "imported with 1 tool, id i-1" in ran.out) == (0, True)
    assert "is no operation" not in ran.err
    assert "kgents tools set shop.get --side-effect read" in ran.err
    assert sent(api, f"{TOOLS}/import") == {
        "name": "shop", "operations": ["get*"], "side_effects": {"get*": "read", "*": "external"},
        **({"document": DOCUMENT} if source == "file" else {"url": url}),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("way", "auth"),
    [("bearer", {"scheme": "bearer"}), ("header=X-API-Key", {"scheme": "header", "name": "X-API-Key"}),
     ("header", None), ("basic=x", None), ("cookie=x", None)],
)  # fmt: skip
def test_how_a_credential_is_shown_is_said(kgents: Kgents, api: Api, way: str, auth: dict[str, str] | None):
    api.will("POST", f"{TOOLS}/import", Answer(201, IMPORTED))
    ran = kgents(
        "tools", "add", "https://shop.example/o.json", "--name", "shop", "--credential", "cred_1", "--auth", way
    )
    assert ran.code == (2 if auth is None else 0)
    sent_bodies = [json.loads(body) for body in api.bodies("POST", f"{TOOLS}/import")]
    assert [body["auth"] for body in sent_bodies] == ([] if auth is None else [auth])


def test_patterns_that_are_no_operation_are_told(kgents: Kgents, api: Api, tmp_path: Path):
    file = tmp_path / "shop.yaml"
    file.write_text(DOCUMENT)
    tool = {"name": "shop.add", "side_effect": "external", "suggested_side_effect": "external"}
    api.will("POST", f"{TOOLS}/import", Answer(201, IMPORTED | {"tools": [tool]}))
    ran = kgents("tools", "add", str(file), "--name", "shop", "--only", "a*", "--side-effect", "gte*=read")
    assert ran.code == 0
    assert "warning: --side-effect gte* is no operation of shop\n" in ran.err
    assert "--only" not in ran.err
    assert "1 asks for an approval at each call; if it needs none: kgents tools set shop.add" in ran.err
    assert "--side-effect write" in ran.err


def test_an_imported_api_is_refreshed_and_removed_by_its_name(kgents: Kgents, api: Api):
    api.will("GET", IMPORTS, page(IMPORTED["api"]))
    found = {"api": IMPORTED["api"], "added": [], "changed": ["shop.get"], "removed": [], "unchanged": []}
    api.will("POST", f"{IMPORTS}/i-1/refresh", Answer(200, found))
    api.will("DELETE", f"{IMPORTS}/i-1", Answer(204))
    api.will("GET", f"{TOOLS}/weather.now", Answer(200, {"name": "weather.now", "kind": "http"}))
    api.will("DELETE", f"{TOOLS}/weather.now", Answer(204))
    ran = kgents("tools", "refresh", "shop")
    assert ran.out == "changed    shop.get\n"
    assert ran.err.endswith("What changed is off until you take it: kgents tools accept shop.get\n")
    assert kgents("tools", "refresh", "nowhere").code == 2
    assert kgents("tools", "remove", "shop", "--yes").out == "shop is removed.\n"
    assert kgents("tools", "remove", "weather.now", "--yes").out == "weather.now is removed.\n"
    assert api.seen[-1].path == f"{TOOLS}/weather.now"


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("name =", ()), (ONE_TOOL, ("--side-effect", "much")), (ONE_TOOL, ("--side-effect", "a=read")),
        ('openapi = "3.1.0"', ()), ('openapi = "3.1.0"', ("--name", "x", "--side-effect", "a=much")),
    ],
)  # fmt: skip
def test_a_file_that_is_no_tool_is_bad_input(
    kgents: Kgents, api: Api, tmp_path: Path, text: str, options: tuple[str, ...]
):
    file = tmp_path / "tool.toml"
    file.write_text(text)
    assert kgents("tools", "add", str(file), *options).code == 2
    assert [seen for seen in api.seen if seen.path.startswith("/api/")] == []
