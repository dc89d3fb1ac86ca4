"""Any spec survives the way through a file; any change of a valid file is a spec again, or faults with their places."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.definitions.compile import compile_spec
from kgents_shared.definitions.documents import Document, Language, parse_document
from kgents_shared.definitions.examine import examine
from kgents_shared.definitions.places import with_places
from kgents_shared.definitions.writing import to_toml
from kgents_shared.errors import FaultItem, InvalidInput
from kgents_shared.errors.catalogue import known_codes

from .strategies import DEFINITIONS, SPECS

TRIED = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SPLINTERS = st.sampled_from(
    [b'"', b"'", b"[", b"]", b"{", b"}", b"=", b",", b".", b"\n", b"#", b"\\", b"\x00", b"\xff", b"1", b"-", b"nan",
     b"null", b'"""', b"[[", b"llm", b"name = ", b"\xc3\xa9", b"9" * 50, b"[" * 40, b"e999", b"\r"]
)  # fmt: skip


def read_again(spec: AgentSpec, text: str, language: Language) -> AgentSpec | None:
    report = examine(text.encode(), language)
    if spec.tools.allow and any(fault.code == "no_tool_left" for fault in report.errors):
        return spec
    assert report.errors == (), (text, report.errors)
    return report.spec


@TRIED
@given(spec=SPECS)
def test_a_spec_written_as_toml_is_the_same_spec_again(spec: AgentSpec):
    assert read_again(spec, to_toml(spec), "toml") == spec


@TRIED
@given(spec=SPECS)
def test_a_spec_written_as_json_is_the_same_spec_again(spec: AgentSpec):
    assert read_again(spec, spec.model_dump_json(), "json") == spec


@pytest.mark.parametrize("language", ["toml", "json"])
@TRIED
@given(spec=SPECS, seed=st.integers(0, 2**32), splinters=st.lists(SPLINTERS, min_size=1, max_size=3))
def test_any_change_of_a_valid_file_is_a_spec_or_faults_with_their_places(
    language: Language, spec: AgentSpec, seed: int, splinters: list[bytes]
):
    body = (to_toml(spec) if language == "toml" else spec.model_dump_json(indent=1)).encode()
    chance = random.Random(seed)  # noqa: S311 -- a choice of places, no secret
    for splinter in splinters:
        at, kept = chance.randrange(len(body) + 1), chance.choice([0, 0, 1, 5])
        body = body[:at] + splinter + body[at + kept :]
    report = examine(body, language)
    assert (report.spec is None) == bool(report.errors)
    lines = body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    for fault in (*report.errors, *report.warnings):
        assert fault.code in known_codes()
        assert 1 <= fault.position["line"] <= len(lines), (body, fault)
        assert 1 <= fault.position["column"] <= len(lines[fault.position["line"] - 1]) + 1, (body, fault)


def leaves(value: object, loc: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], object]]:
    if isinstance(value, dict):
        return [leaf for name, inner in value.items() for leaf in leaves(inner, (*loc, name))]
    if isinstance(value, list):
        return [leaf for place, inner in enumerate(value) for leaf in leaves(inner, (*loc, place))]
    return [(loc, value)]


@pytest.mark.parametrize("language", ["toml", "json"])
@TRIED
@given(fields=DEFINITIONS)
def test_the_place_of_each_value_is_where_it_stands(language: Language, fields: dict[str, object]):
    spec = AgentSpec.model_validate(fields)
    text = to_toml(spec) if language == "toml" else json.dumps(fields, ensure_ascii=False)
    document = parse_document(text.encode(), language)
    for loc, value in leaves(document.value):
        (found,) = with_places(document, [FaultItem(loc, "is looked for", "string_type")])
        line = (document.text or "").split("\n")[found.position["line"] - 1][found.position["column"] - 1 :]
        expected = '"' if isinstance(value, str) else repr(value).partition("e")[0]
        assert line.startswith(expected), (text, loc, line)


def test_data_that_was_no_text_has_faults_without_places():
    with pytest.raises(InvalidInput) as refused:
        compile_spec(Document({"name": "Not Good"}))
    assert [(fault.code, fault.position) for fault in refused.value.errors] == [
        ("string_pattern_mismatch", {}),
        ("missing", {}),
    ]
