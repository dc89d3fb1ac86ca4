"""A fault's hint says what its author may have meant."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kgents_shared.definitions.documents import Language
from kgents_shared.definitions.examine import examine

GOOD = 'name = "good"\nsystem_prompt = "Good."\n'


def hint_of(text: str, code: str, language: Language = "toml") -> str:
    (hint,) = [fault.hint for fault in examine(text.encode(), language).errors if fault.code == code]
    return hint or ""


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (GOOD + '[llm]\nprovider = "opnai"', "literal_error", 'did you mean "openai"?'),
        (GOOD + 'llm_provider = " Echo "', "literal_error", 'did you mean "echo"?'),
        (GOOD + '[runtime]\nshell = "chat"', "literal_error", "choose 'Chat'"),
        (GOOD + "[llm]\ntemprature = 1", "extra_forbidden", 'did you mean "temperature"?'),
        (GOOD + "temperature = 1", "extra_forbidden", '"temperature" belongs in [llm]'),
        (GOOD + '[llm]\nmemory_mb = 64', "extra_forbidden", '"memory_mb" belongs in [limits]'),
        (GOOD + '[limits]\ndescription = "x"', "extra_forbidden", "above the first [table], not in [limits]"),
        (GOOD + "[limits]\ncolour = 1", "extra_forbidden", "known fields here: cpu, max_cost_per_day, max_steps"),
        (GOOD + '[limits]\nmax_steps = "12"', "int_type", "write 12"),
        (GOOD + '[llm]\ntemperature = "0.5 or so"', "float_parsing", "write a number"),
        ('name = "My Agent!"\nsystem_prompt = "x"', "string_pattern_mismatch", 'such as "my-agent"'),
        ('name = "!!"\nsystem_prompt = "x"', "string_pattern_mismatch", "take 1 to 63"),
        ('name = "a"', "missing", "tells the model who it is"),
        ('system_prompt = "a"', "missing", "called and addressed by it"),
        (GOOD + '[llm]\ncredential_ref = "mine"', "string_pattern_mismatch", "kgents credentials list"),
    ],
)  # fmt: skip
def test_a_slip_of_the_pen_is_told_with_what_was_meant(text: str, code: str, said: str):
    assert said in hint_of(text, code)


@pytest.mark.parametrize(
    ("fields", "said"),
    [({"temperature": 1}, '"temperature" belongs in llm'), ({"llm": {"name": "x"}}, "belongs at the top level")],
)
def test_in_json_there_is_no_talk_of_tables_in_brackets(fields: dict[str, Any], said: str):
    text = json.dumps({"name": "good", "system_prompt": "Good.", **fields})
    assert said in hint_of(text, "extra_forbidden", "json")


def test_a_secret_that_stands_in_the_names_place_is_not_told_in_another_spelling():
    key = "sk-proj-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789abcd"
    errors = examine(f'name = "{key}"\nsystem_prompt = "x"'.encode(), "toml").errors
    assert {fault.code for fault in errors} == {"secret_in_document", "string_pattern_mismatch"}
    assert key.lower() not in str(errors).lower()
