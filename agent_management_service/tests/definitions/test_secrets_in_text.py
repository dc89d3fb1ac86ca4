import httpx
import pytest

from agent_management_service.definitions.secrets_in_text import secret_faults

SECRETS = [
    "sk-" + "a1B2" * 10,
    "sk-ant-api03-" + "a1B2" * 10,
    "sk-proj-" + "a1B2" * 10,
    "AKIA" + "ABCD1234" * 2,
    "ghp_" + "a1B2" * 9,
    "github_pat_" + "a1B2" * 9,
    "kg_0123456789ab_" + "a1B2" * 8,
    "AIza" + "a1B2c" * 7,
    "xoxb-" + "1234567890-abcdef",
    "sk_live_" + "a1B2" * 6,
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN RSA PRIVATE KEY-----",
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
    ):
        answer = await caller.post("/api/v1/agents", json={"name": "leaky", "system_prompt": "Good.", **fields})
        assert answer.status_code == 422
        found = [fault for fault in answer.json()["errors"] if fault["code"] == "secret_in_definition"]
        assert [fault["loc"] for fault in found] == [loc]
        assert secret not in answer.text


async def test_a_secret_alone_gives_the_problem_its_code(caller: httpx.AsyncClient) -> None:
    answer = await caller.post("/api/v1/agents", json={"name": "leaky", "system_prompt": SECRETS[0]})
    assert answer.json()["code"] == "secret_in_definition"


@pytest.mark.parametrize(
    "prose",
    [
        "Ask about risk-taking-in-general-and-elsewhere, scikit (sk-learn) and AKIA.",
        "The key looks like sk-... or ghp_..., never paste it.",
        "-----BEGIN CERTIFICATE-----",
        "cred_019a0000000070008000000000000000",
        "kg_ is our prefix; kg_id_secret its form.",
        "desk-" + "a" * 40,
    ],
)
def test_prose_about_secrets_is_no_secret(prose: str) -> None:
    assert secret_faults({"system_prompt": prose}) == []


def test_the_places_of_secrets_come_in_the_order_of_the_document() -> None:
    document = {"b": [SECRETS[0], {"c": SECRETS[3]}], "a": SECRETS[4], "n": 1}
    assert [fault.loc for fault in secret_faults(document)] == [("b", 0), ("b", 1, "c"), ("a",)]
