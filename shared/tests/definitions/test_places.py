"""Each fault stands where a person will look for it: at the field, at its value, or at the table that lacks it."""

from __future__ import annotations

import json

import pytest

from kgents_shared.definitions.documents import Language, parse_document
from kgents_shared.definitions.examine import examine

GOOD = 'name = "good"\nsystem_prompt = "Good."\n'


def found(text: str, language: Language = "toml") -> list[tuple[str, int, int, str]]:
    return [
        (".".join(map(str, fault.loc)), fault.position["line"], fault.position["column"], fault.code)
        for fault in examine(text.encode(), language).errors
    ]


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ('system_prompt = "x"', [("name", 1, 1, "missing")]),
        ('name = "Bad"\nsystem_prompt = "x"', [("name", 1, 8, "string_pattern_mismatch")]),
        (
            'name = "a"\n\n  sytem_prompt = "x"',
            [("system_prompt", 1, 1, "missing"), ("sytem_prompt", 3, 3, "extra_forbidden")],
        ),
        (GOOD + "[llm]\n  temperature = 3 # hot", [("llm.temperature", 4, 17, "less_than_equal")]),
        (GOOD + "llm.temperature = 3", [("llm.temperature", 3, 19, "less_than_equal")]),
        (
            GOOD + 'llm = { model = "", temprature = 1 }',
            [("llm.model", 3, 17, "string_too_short"), ("llm.temprature", 3, 21, "extra_forbidden")],
        ),
        (
            GOOD + '[tools]\nallow = [\n  "a.b", # good\n  "a b",\n]',
            [("tools.allow.1", 6, 3, "string_pattern_mismatch")],
        ),
        (GOOD + '["llm"]\n"temp\\u0065rature" = -1', [("llm.temperature", 4, 22, "greater_than_equal")]),
        (GOOD + 'description = "é\U0001f600" \nlimits = 1', [("limits", 4, 10, "model_type")]),
        ('name = "a"\nsystem_prompt = """\nline\n"""\nmore = 1', [("more", 5, 1, "extra_forbidden")]),
        (GOOD + 'llm_provider = "nobody"', [("llm_provider", 3, 16, "literal_error")]),
        (GOOD + 'llm_provider = "echo"\n[llm]\nprovider = "openai"', [("", 3, 16, "conflicting_provider")]),
        (GOOD + 'capabilities = ["a", "a"]', [("capabilities", 3, 16, "doubled_capability")]),
        (GOOD + "[[tools]]\nallow = []", [("tools", 3, 3, "model_type")]),
        (GOOD + "[a.b]\nc = 1\n[[a.d]]\ne = 1", [("a", 3, 2, "extra_forbidden")]),
        ("", [("name", 1, 1, "missing"), ("system_prompt", 1, 1, "missing")]),
        ("a = nan\nb = [[[" + "[" * 40, [("", 2, 37, "toml_syntax")]),
        ('name = "é"\nage = ' + "9" * 5000, [("", 2, 7, "toml_syntax")]),
    ],
)
def test_a_fault_in_toml_is_told_where_it_stands(text: str, places: list[tuple[str, int, int, str]]):
    assert found(text) == places


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ('{"name": "a"}', [("system_prompt", 1, 1, "missing")]),
        ('\n {"name": "a",\n  "system_prompt": 1}', [("system_prompt", 3, 20, "string_type")]),
        (
            '{"name": "a", "system_prompt": "x",\n "llm": {"é": 1,\n  "temperature": 9}}',
            [("llm.é", 2, 10, "extra_forbidden"), ("llm.temperature", 3, 18, "less_than_equal")],
        ),
        (
            '{"name": "a", "system_prompt": "x", "tools": {"allow": ["a.b",\n "no tool"]}}',
            [("tools.allow.1", 2, 2, "string_pattern_mismatch")],
        ),
        (
            '{"name": "a", "system_prompt": "x",\n "llm": {"model": "a", "model": "b"}}',
            [("llm.model", 2, 24, "duplicate_key")],
        ),
        ('{"name": "a", "system_prompt": "x",\n "llm": {"temperature": NaN}}', [("", 2, 25, "json_syntax")]),
        ('"NaN"', [("", 1, 1, "model_type")]),
    ],
)
def test_a_fault_in_json_is_told_where_it_stands(text: str, places: list[tuple[str, int, int, str]]):
    assert found(text, "json") == places


def test_faults_come_in_the_order_of_the_text():
    text = 'system_prompt = ""\nname = ""\n[limits]\nmax_steps = 0\nx = 1\n[llm]\ny = 1'
    lines = [fault.position["line"] for fault in examine(text.encode(), "toml").errors]
    assert lines == sorted(lines)
    assert len(lines) == 5


def test_a_warning_has_its_place_too():
    text = GOOD + '[tools]\nallow = ["a.*", "*"]\n'
    places = {
        (fault.code, fault.position["line"], fault.position["column"])
        for fault in examine(text.encode(), "toml").warnings
    }
    assert ("allows_every_tool", 4, 17) in places


def test_a_secret_is_told_at_its_place_and_never_quoted():
    key = "sk-" + "abcdefghij0123456789"
    report = examine((GOOD + f'[llm]\nmodel = "{key}"\n').encode(), "toml")
    (fault,) = report.errors
    assert (fault.code, fault.position) == ("secret_in_document", {"line": 4, "column": 9})
    assert key not in json.dumps(report.as_json())


def test_what_is_not_utf_8_is_told_in_characters():
    (fault,) = examine('name = "a"\nsystem_prompt = "é'.encode() + b"\xff", "toml").errors
    assert fault.position == {"line": 2, "column": 19}


def test_a_definition_of_more_than_256_kib_is_not_read_at_all():
    (fault,) = examine(b"#" * (256 * 1024 + 1), "toml").errors
    assert fault.code == "document_too_large"


def test_a_place_is_looked_for_only_where_there_is_a_fault(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "tree_sitter", None)
    assert examine(GOOD.encode(), "toml").errors == ()
    assert parse_document(b"{}", "json").value == {}
