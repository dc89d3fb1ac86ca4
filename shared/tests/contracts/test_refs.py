"""What looks like a secret, and what only speaks of one."""

import pytest

from kgents_shared.contracts.refs import MOST_FOUND, secrets_in, without_secrets
from kgents_shared.errors.refs_only import SecretInDocument, refuse_secrets

REF = "cred_019a0000000070008000000000000000"
FORMATS = [
    "sk-" + "a1B2" * 10,
    "sk-ant-api03-" + "a1B2" * 10,
    "sk-proj-" + "a1B2" * 10,
    "AKIA" + "ABCD1234" * 2,
    "ghp_" + "a1B2" * 9,
    "github_pat_" + "a1B2" * 9,
    "glpat-" + "a1B2" * 6,
    "kg_0123456789ab_" + "a1B2" * 8,
    "kgr_" + "a1B2" * 8,
    "AIza" + "a1B2c" * 7,
    "xoxb-1234567890-abcdef",
    "sk_live_" + "a1B2" * 6,
    "hf_" + "a1B2" * 9,
    "gsk_" + "a1B2" * 13,
    "tvly-" + "a1B2" * 8,
    "SG." + "a1B2" * 5 + "." + "a1B2" * 10,
    "hvs." + "a1B2" * 8,
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN RSA PRIVATE KEY-----",
    "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxMjM0NTYifQ.c2lnbmF0dXJlLWhlcmU",
]


@pytest.mark.parametrize("secret", FORMATS)
def test_the_format_of_a_known_issuer_is_found_in_any_text(secret: str):
    for text in (secret, f"Use '{secret}' for it.", f"\n{secret}\n", f"key={secret};", f"\\n {secret}"):
        (found,) = secrets_in({"prompt": [text]})
        assert found.loc == ("prompt", 0)
        assert secret not in found.what


@pytest.mark.parametrize(
    "prose",
    [
        "Ask about risk-taking-in-general-and-elsewhere, scikit (sk-learn) and AKIA.",
        "We use sk-learn-based-classification-models-here.",
        "The key looks like sk-xxxxxxxxxxxxxxxxxxxxxxxx, sk-... or ghp_..., never paste it.",
        "AKIAIOSFODNN7EXAMPLE is what the manual shows.",
        "-----BEGIN CERTIFICATE-----",
        REF,
        "kg_ is our prefix; kg_id_secret its form.",
        "desk-" + "a1" * 20,
        "Never tell anybody the password. token: none. api_key = see the vault",
        "Connect with postgresql://user:password@host/db and read the docs at https://example.org/?token=abc first.",
        "eyJ is how such tokens begin, eyJ.eyJ.x too",
        "3f786850e387550fdab836ed7e6dc881de23001b",
        "019a0000-0000-7000-8000-000000000000",
    ],
)
def test_prose_identifiers_and_examples_are_no_secrets(prose: str):
    assert secrets_in({"system_prompt": prose, "lines": [prose]}) == []


@pytest.mark.parametrize(
    "name",
    [
        "api_key", "apiKey", "API_KEY", "openai_api_key", "x-api-key", "secret", "clientSecret", "client_secret",
        "token", "accessToken", "refresh_token", "bot-token", "password", "db_password", "passphrase", "private_key",
        "aws_secret_access_key", "Authorization",
    ],
)  # fmt: skip
def test_a_field_named_like_a_secret_takes_no_literal(name: str):
    assert [found.loc for found in secrets_in({"config": {name: "hunter2"}})] == [("config", name)]
    for good in (REF, f"Bearer {REF}", "", "  ", None, True, "${OPENAI_API_KEY}", "{{ api_key }}", {"type": "string"}):
        assert secrets_in({"config": {name: good}}) == []


@pytest.mark.parametrize(
    "document",
    [
        {"max_token": "4096", "max_tokens": 4096, "next_page_token": "abc", "eosToken": "</s>", "public_key": "abc"},
        {"stop_tokens": ["</s>", "<eos>"], "tokens": ["a", "b"], "token_count": "5", "tokenizer": "bpe"},
        {"password_policy": "long", "secret_santa": "yes", "keyboard": "qwerty", "secretary": "Ada", "monkey": "x"},
        {"api_key_ref": REF, "credential_ref": REF, "exchange_credential_ref": REF},
        {"properties": {"password": {"type": "string"}, "token": {"enum": []}}, "required": ["password", "token"]},
        {"args": ["--timezone", "Europe/Berlin", "--token-limit", "5", "--verbose", "a=b"]},
        {"url": "https://example.org/mcp?page=2&next_token=x"},
        {"token": 4096, "name": "token", "type": "password"},
    ],
)  # fmt: skip
def test_names_that_only_resemble_are_let_through(document: dict[str, object]):
    assert secrets_in(document) == []


def test_numbers_lists_options_and_addresses_are_looked_into():
    document = {
        "password": 12345678,
        "api_keys": ["one", REF, "two"],
        "args": ["--api-key", "abc", "--token=xyz", "API_KEY=abc", f"--secret={REF}"],
        "url": "https://example.org/mcp?tavilyApiKey=abc",
        "base": "https://user:hunter2@example.org/",
        "later": "https://example.org/?token=${TOKEN}",
    }
    assert [found.loc for found in secrets_in(document)] == [
        ("password",),
        ("api_keys", 0),
        ("api_keys", 2),
        ("args", 1),
        ("args", 2),
        ("args", 3),
        ("url",),
        ("base",),
    ]


def test_the_places_come_in_the_order_of_the_document_and_a_name_is_not_quoted():
    document = {"b": [FORMATS[0], {"c": FORMATS[3]}], FORMATS[1]: {"d": FORMATS[2]}, "a": FORMATS[4], "n": 1}
    with pytest.raises(SecretInDocument) as refused:
        refuse_secrets(document, "body")
    shown = [fault.as_json() for fault in refused.value.errors]
    assert [fault["loc"] for fault in shown] == [
        ["body", "(hidden)"],
        ["body", "b", 0],
        ["body", "b", 1, "c"],
        ["body", "(hidden)", "d"],
        ["body", "a"],
    ]
    assert not any(secret in str(shown) for secret in FORMATS)


def test_deep_and_large_documents_are_gone_through_and_the_list_ends():
    deep: object = FORMATS[0]
    for _ in range(5000):
        deep = [deep]
    assert len(secrets_in(deep)[0].loc) == 5000
    assert len(secrets_in([FORMATS[0]] * 5000)) == MOST_FOUND
    assert secrets_in("eyJ" * 200_000 + "sk-" * 200_000) == []
    refuse_secrets({"fine": "text"})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, and sk-learn-based-classifiers", "plain, and sk-learn-based-classifiers"),
        ("a ghp_0123456789abcdefghij0123, b", "a ***, b"),
        ("token=abc and more", "token=*** and more"),
        ("--api-key=abc", "--api-key=***"),
        (
            "https://u:p@h.example:8/p?a=1&Access-Token=t&b=2#f",
            "https://u:***@h.example:8/p?a=1&Access-Token=***&b=2#f",
        ),
        ("-----BEGIN RSA PRIVATE KEY----- then pay", "*** then pay"),
        (
            "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0\nabc=\n-----END PRIVATE KEY-----\nthen pay",
            "***\nthen pay",
        ),
    ],
)
def test_only_the_secret_itself_is_hidden(text: str, shown: str) -> None:
    assert without_secrets(text) == shown
