"""`POST /agents/validate` tells everything and keeps nothing; the schema is open to whoever writes definitions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
from jsonschema import Draft202012Validator

from agent_management_service.main import create_app
from agent_management_service.settings import ManagementSettings
from kgents_shared.testing.tokens import TokenIssuer

Clients = Callable[[dict[str, str]], Awaitable[httpx.AsyncClient]]
TOML = {"content-type": "application/toml"}
GOOD = 'name = "good"\nsystem_prompt = "Good."\n'


async def validated(caller: httpx.AsyncClient, content: str | bytes, **parameters: Any) -> dict[str, Any]:
    answer = await caller.post("/api/v1/agents/validate", content=content, headers=TOML, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_good_definition_has_neither_errors_nor_warnings_and_is_not_kept(caller: httpx.AsyncClient):
    assert await validated(caller, GOOD) == {"errors": [], "warnings": []}
    assert (await caller.get("/api/v1/agents")).json()["items"] == []


async def test_every_fault_is_told_with_its_place_under_200(caller: httpx.AsyncClient):
    report = await validated(caller, 'name = "Bad"\nsystem_prompt = "x"\n[llm]\ntemprature = 1\n')
    assert [(fault["code"], fault["line"], fault["column"]) for fault in report["errors"]] == [
        ("string_pattern_mismatch", 1, 8),
        ("extra_forbidden", 4, 1),
    ]


async def test_a_text_that_is_no_toml_is_a_report_too(caller: httpx.AsyncClient):
    (fault,) = (await validated(caller, 'name = "a"\nsystem_prompt x'))["errors"]
    assert (fault["code"], fault["line"]) == ("toml_syntax", 2)


async def test_json_is_validated_as_toml_is(caller: httpx.AsyncClient):
    answer = await caller.post("/api/v1/agents/validate", json={"name": "good", "system_prompt": " "})
    assert [fault["code"] for fault in answer.json()["warnings"]] == ["blank_prompt"]


async def test_a_long_definition_is_validated_beside_other_requests(caller: httpx.AsyncClient):
    report = await validated(caller, f'name = "good"\nsystem_prompt = "{"long " * 9000}"\n')
    assert [fault["code"] for fault in report["warnings"]] == ["long_prompt"]


async def test_where_siblings_are_away_what_they_know_is_said_to_be_unchecked(caller: httpx.AsyncClient):
    report = await validated(caller, GOOD + '[tools]\nallow = ["a.b"]\n')
    assert [(fault["code"], fault["line"]) for fault in report["warnings"]] == [("tools_unchecked", 3)]
    assert "registry" in report["warnings"][0]["msg"]
    fallback = f'[[llm.fallbacks]]\nprovider = "openai"\ncredential_ref = "cred_{"0" * 32}"\n'
    report = await validated(caller, f'{GOOD}llm_provider = "google"\n{fallback}')
    assert [(fault["code"], fault["line"]) for fault in report["warnings"]] == [
        ("references_unchecked", 3),
        ("references_unchecked", 6),
    ]


async def test_a_token_that_may_not_read_tools_is_told_of_none(client_with: Clients, issuer: TokenIssuer):
    caller = await client_with(issuer.person(f"owner-{uuid4().hex}", ["agents:read"]))
    (warning,) = (await validated(caller, GOOD + '[tools]\nallow = ["a.b"]\n'))["warnings"]
    assert (warning["code"], "tools:read" in warning["msg"]) == ("tools_unchecked", True)


async def test_another_media_type_and_a_strange_organisation_are_refused(caller: httpx.AsyncClient):
    answer = await caller.post("/api/v1/agents/validate", content=GOOD, headers={"content-type": "text/plain"})
    assert answer.status_code == 415
    strange = await caller.post("/api/v1/agents/validate", content=GOOD, headers=TOML, params={"organisation": "acme"})
    assert (strange.status_code, strange.json()["code"]) == (404, "no_such_organisation")


async def test_the_operators_limits_hold_for_validation_and_for_every_way_to_an_agent(
    settings: ManagementSettings, issuer: TokenIssuer
):
    strict = ManagementSettings.model_validate(
        {**settings.model_dump(), "most_memory_mb": 300, "most_steps": 20, "providers": "echo"}
    )
    app = create_app(strict, identity=issuer.identity)
    async with app.router.lifespan_context(app):
        headers = issuer.person(f"owner-{uuid4().hex}")
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://management", headers=headers
        ) as caller:
            beyond = GOOD + '[llm]\nprovider = "openai"\n[limits]\nmemory_mb = 301\n'
            report = await validated(caller, beyond)
            assert [(fault["code"], fault["line"]) for fault in report["errors"]] == [
                ("provider_closed", 4),
                ("over_system_limit", 6),
            ]
            made = await caller.post("/api/v1/agents", content=beyond, headers=TOML)
            assert (made.status_code, len(made.json()["errors"])) == (422, 2)
            assert (await caller.post("/api/v1/agents", content=GOOD, headers=TOML)).status_code == 201
            changed = await caller.put("/api/v1/agents/good", content=beyond, headers=TOML)
            assert changed.status_code == 422
            ghost = (await caller.post("/api/v1/kinds/ghosts", json={"name": "g", "system_prompt": "x"})).json()
            model = {"name": "m", "provider": "openai", "model_name": "gpt-4.1"}
            model = (await caller.post("/api/v1/kinds/models", json=model)).json()
            shell = (await caller.post("/api/v1/kinds/shells", json={"name": "s", "type": "Chat"})).json()
            bot = {"name": "b", "ghost_id": ghost["id"], "model_id": model["id"], "shell_id": shell["id"]}
            bot = (await caller.post("/api/v1/kinds/bots", json=bot)).json()
            published = await caller.post(f"/api/v1/kinds/bots/{bot['id']}/publish")
            assert published.status_code == 422, published.text
            assert [fault["code"] for fault in published.json()["errors"]] == ["provider_closed"]


@pytest.mark.parametrize("value", ["0", "-1", "many"])
async def test_limits_that_are_none_are_refused_at_the_start(settings: ManagementSettings, value: str):
    with pytest.raises(ValueError, match="most_steps"):
        ManagementSettings.model_validate({**settings.model_dump(), "most_steps": value})


async def test_anybody_may_read_the_schema(client_with: Clients):
    nobody = await client_with({})
    schema = (await nobody.get("/api/v1/schemas/agent")).json()
    Draft202012Validator.check_schema(schema)
    assert Draft202012Validator(schema).is_valid({"name": "good", "system_prompt": "x", "llm_provider": "echo"})
    refused = await nobody.post("/api/v1/agents/validate", content=GOOD, headers=TOML)
    assert refused.status_code == 401
