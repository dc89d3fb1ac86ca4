"""The schema and the pages made of the sources say what the validator does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.path_table import RESERVED_AGENT_NAMES
from kgents_shared.definitions.examine import examine
from kgents_shared.definitions.reference import EXAMPLES, agent_reference
from kgents_shared.definitions.schema import agent_schema
from kgents_shared.errors.catalogue import error_reference, known_codes

from .strategies import DEFINITIONS

SCHEMA = Draft202012Validator(agent_schema())


def test_the_schema_is_one():
    Draft202012Validator.check_schema(agent_schema())


@settings(max_examples=60, deadline=None)
@given(fields=DEFINITIONS)
def test_the_schema_takes_every_definition_that_the_validator_takes(fields: dict[str, Any]):
    assert list(SCHEMA.iter_errors(fields)) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "Upper"}, {"name": next(iter(sorted(RESERVED_AGENT_NAMES)))}, {"name": None}, {"system_prompt": ""},
        {"extra": 1}, {"llm": {"temprature": 1}}, {"llm": {"temperature": 2.5}}, {"llm_provider": "nobody"},
        {"capabilities": ["a", "a"]}, {"capabilities": ["A"]}, {"tools": {"allow": ["a b"]}}, {"tools": []},
        {"limits": {"max_steps": 0}}, {"limits": {"memory_mb": 64.5}}, {"runtime": {"shell": "Bash"}},
    ],
    ids=json.dumps,
)  # fmt: skip
def test_the_schema_refuses_what_the_validator_refuses(fields: dict[str, Any]):
    document = {"name": "good", "system_prompt": "Good.", **fields}
    assert examine(json.dumps(document).encode(), "json").errors
    assert not SCHEMA.is_valid(document)


def test_the_short_form_of_the_provider_is_known_to_the_schema():
    assert SCHEMA.is_valid({"name": "good", "system_prompt": "Good.", "llm_provider": "echo"})


@pytest.mark.parametrize(("title", "text"), EXAMPLES, ids=[title for title, _ in EXAMPLES])
def test_every_example_of_the_reference_is_valid_and_gives_no_cause_for_a_warning(title: str, text: str):
    report = examine(text.encode(), "toml")
    assert (report.errors, report.warnings) == ((), ())
    assert title in agent_reference()


def test_the_reference_has_each_field_with_its_default_and_meaning():
    page = agent_reference()
    for table in (AgentSpec, *(info.annotation for info in AgentSpec.model_fields.values())):
        for name, info in getattr(table, "model_fields", {}).items():
            assert info.description, name
            assert f"`{name}`" in page or f"`[{name}]`" in page
    assert '| `capabilities` | `["chat"]` |' in page
    assert "| `max_steps` | `16` | a whole number from 1 to 100 |" in page


def test_the_page_of_errors_has_every_code_with_what_to_do():
    page = error_reference()
    # Each once: `kgents explain` has one answer for a code.
    assert page.count("\n| `") == len(known_codes())
    for code, known in known_codes().items():
        assert f"| `{code}` | {known.means} | {known.remedy} |" in page
        assert known.means.endswith((".", "?"))
        assert known.remedy.endswith(".")
