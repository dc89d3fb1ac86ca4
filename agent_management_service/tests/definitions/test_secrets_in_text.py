"""A definition takes no secret, wherever it stands in it."""

import httpx
import pytest

SECRETS = [
    "sk-" + "a1B2" * 10,
    "AKIA" + "ABCD1234" * 2,
    "ghp_" + "a1B2" * 9,
    "-----BEGIN PRIVATE KEY-----",
    "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxMjM0NTYifQ.c2lnbmF0dXJlLWhlcmU",
]


@pytest.mark.parametrize("secret", SECRETS)
async def test_a_secret_in_any_text_is_refused_and_never_repeated(caller: httpx.AsyncClient, secret: str) -> None:
    text = f"Use the key '{secret}' for it."
    for fields, loc in (
        ({"system_prompt": text}, ["system_prompt"]),
        ({"description": text}, ["description"]),
        ({"llm": {"model": secret}}, ["llm", "model"]),
        ({"api_key": secret}, ["api_key"]),
        ({"tools": {"allow": ["time.*", secret]}}, ["tools", "allow", 1]),
        ({secret: "x"}, ["(hidden)"]),
        ({"llm": {secret: {"deep": [1]}}}, ["llm", "(hidden)"]),
    ):
        answer = await caller.post("/api/v1/agents", json={"name": "leaky", "system_prompt": "Good.", **fields})
        assert answer.status_code == 422
        assert answer.json()["code"] == "secret_in_document"
        found = [fault for fault in answer.json()["errors"] if fault["code"] == "secret_in_document"]
        assert [fault["loc"] for fault in found] == [loc]
        assert "POST /credentials" in found[0]["hint"]
        assert secret not in answer.text


async def test_every_place_is_told_at_once_in_toml_and_when_a_draft_is_replaced(caller: httpx.AsyncClient) -> None:
    agent = (await caller.post("/api/v1/agents", json={"name": "clean", "system_prompt": "Good."})).json()["id"]
    toml = f'name = "clean"\nsystem_prompt = "{SECRETS[0]}"\n[llm]\napi_key = "hunter2"\nmodel = "{SECRETS[1]}"\n'
    headers = {"content-type": "application/toml"}
    for method, path in (("POST", "/api/v1/agents"), ("PUT", f"/api/v1/agents/{agent}")):
        answer = await caller.request(method, path, content=toml, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "secret_in_document")
        found = [fault["loc"] for fault in answer.json()["errors"] if fault["code"] == "secret_in_document"]
        assert found == [["system_prompt"], ["llm", "api_key"], ["llm", "model"]]
        assert "hunter2" not in answer.text


async def test_a_prompt_may_speak_of_keys_and_passwords(caller: httpx.AsyncClient) -> None:
    prompt = "Never ask for a password, an api_key=... or a token. Keys begin with sk- or ghp_; say so: secret: none."
    answer = await caller.post("/api/v1/agents", json={"name": "careful", "system_prompt": prompt})
    assert answer.status_code == 201
