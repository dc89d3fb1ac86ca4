"""Foreign files: what they may hold, what is refused with its place, and that nothing passes without a word."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kgents_cli.migration.documents import ForeignFile, Unreadable, read_file
from kgents_cli.migration.naming import as_label, free_label
from kgents_cli.migration.plan import Plan, check, plan
from kgents_cli.migration.recognise import convert_files
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.definitions.examine import examine

GHOST: dict[str, Any] = {"apiVersion": "agent.wecode.io/v1", "kind": "Ghost"}


def written(tmp_path: Path, text: str | bytes, name: str = "agent.yaml") -> Path:
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def planned(tmp_path: Path, text: str, name: str = "agent.yaml") -> Plan:
    return plan([written(tmp_path, text, name)])


def of(value: Any) -> Plan:
    return check(convert_files([ForeignFile("agent.yaml", "agent", (value,))]))


@pytest.mark.parametrize(
    ("name", "text", "code", "words"),
    [
        ("a.yaml", "name: [a\nprompt: b\n", "yaml_syntax", "line 2, column 7"),
        ("a.yaml", "name: a\n\tprompt: b\n", "yaml_syntax", "line 2, column 1"),
        ("a.yaml", "name: a\nname: b\n", "yaml_syntax", 'line 2, column 1: the key "name" stands twice'),
        ("a.yaml", "a: &x [*x]\n", "yaml_syntax", "an anchor holds itself"),
        ("a.yaml", "prompt: !!python/object/apply:os.getcwd []\n", "yaml_syntax", "line 1, column 9"),
        ("a.yaml", "prompt: !!python/name:os.getcwd\n", "yaml_syntax", "stands for code of another program"),
        ("a.yaml", "prompt: !env KEY\n", "yaml_syntax", "the tag !env stands for code of another program"),
        ("a.yaml", "? [a, b]\n: c\n", "yaml_syntax", "a key is not text"),
        ("a.yaml", "a: *nobody\n", "yaml_syntax", "line 1, column 4"),
        ("a.yaml", "a: " + "[" * 80 + "]" * 80, "too_deep", "line 1, column 67"),
        ("a.yaml", b"name: \xff\n", "not_utf8", "not UTF-8"),
        ("a.json", '{"name" "a"}', "json_syntax", "line 1, column 9"),
        ("a.json", '{"name": "a", "name": "b"}', "json_syntax", "'name' stands twice"),
        ("a.json", '{"temperature": NaN}', "json_syntax", "NaN is not a JSON number"),
        ("a.json", "[" * 200_000, "too_deep", "nested deeper"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "bytes",
)
def test_a_file_that_is_no_data_is_refused_with_its_place(
    tmp_path: Path, name: str, text: str | bytes, code: str, words: str
) -> None:
    with pytest.raises(Unreadable) as refused:
        read_file(written(tmp_path, text, name))
    assert refused.value.faults[0].code == code
    assert words in refused.value.faults[0].msg


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("a: &x [*x]\n", "write out what its alias stands for"),
        ("prompt: !env KEY\n", "write the value that it makes, without a tag"),
        ("name: a\nname: b\n", "keep one of them"),
        ("name: [a\n", "make it YAML that its own tool reads"),
    ],
    ids=lambda value: value[:24],
)
def test_what_is_not_taken_is_refused_with_what_to_write_instead(tmp_path: Path, text: str, hint: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read_file(written(tmp_path, text, "a.yaml"))
    assert refused.value.faults[0].hint == hint


def test_aliases_that_multiply_are_stopped_before_they_fill_the_memory(tmp_path: Path) -> None:
    laughs = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10))
    with pytest.raises(Unreadable) as refused:
        read_file(written(tmp_path, f"a0: &a0 [ha]\n{laughs}\n"))
    (fault,) = refused.value.faults
    assert "more values than a definition has" in fault.msg
    assert fault.hint == "make it smaller: an alias counts as all that it stands for"


def test_anchors_that_nest_without_end_are_stopped(tmp_path: Path) -> None:
    chain = "\n".join(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 3000))
    with pytest.raises(Unreadable) as refused:
        read_file(written(tmp_path, f"a0: &a0 [ha]\n{chain}\n"))
    assert "anchors nest deeper than 64 levels" in refused.value.faults[0].msg


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unreadable) as refused:
        read_file(written(tmp_path, b"#" * (4 * 1024 * 1024 + 1)))
    assert refused.value.faults[0].code == "too_large"


def test_keys_are_text_and_dates_stay_as_they_were_written(tmp_path: Path) -> None:
    file = read_file(written(tmp_path, "on: 2026-11-21\n1: yes\nnull: ~\nbig: 0x10\n"))
    assert file.documents == ({"on": "2026-11-21", "1": True, "null": None, "big": 16},)


def test_anchors_and_merged_keys_are_what_they_stand_for(tmp_path: Path) -> None:
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: {<<: [{z: 1}, *a]}\nd: *a\n"
    [document] = read_file(written(tmp_path, text)).documents
    assert document["b"] == {"x": 1, "y": 3}
    assert document["c"] == {"z": 1, "x": 1, "y": 2}
    assert document["d"] == {"x": 1, "y": 2}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "just text\n",
        "a: 1\n",
        "- 1\n- 2\n",
        "services:\n  db:\n    image: postgres\n",
        "agents: []\n",
    ],
)
def test_a_file_of_another_kind_is_refused_and_the_known_formats_are_named(tmp_path: Path, text: str) -> None:
    found = planned(tmp_path, text)
    [refusal] = found.refused
    assert refusal.reasons[0].code == "unknown_format"
    assert "CrewAI" in (refusal.reasons[0].hint or "")
    assert found.converted == []


def test_in_a_folder_a_file_of_another_kind_stays_behind_but_a_broken_one_is_refused(tmp_path: Path) -> None:
    compose = written(tmp_path, "services: {db: {image: postgres}}\n", "compose.yaml")
    broken = written(tmp_path, "name: [\n", "broken.yaml")
    found = plan([], [compose, broken])
    assert [one.origin.file for one in found.skipped] == [str(compose)]
    assert [one.origin.file for one in found.refused] == [str(broken)]


@pytest.mark.parametrize(
    ("foreign", "ours"),
    [
        ("Senior Data Researcher", "senior-data-researcher"),
        ("ParrotAgent", "parrot-agent"),
        ("snake_case__twice", "snake-case-twice"),
        ("  --Ärger--  ", "arger"),
        ("templates", "templates-agent"),
        ("kinds", "kinds-agent"),
        ("x" * 80, "x" * 63),
        ("日本語", "agent-77710aed"),
    ],
)
def test_a_foreign_name_becomes_one_of_ours(foreign: str, ours: str) -> None:
    assert as_label(foreign) == ours


def test_a_name_that_the_batch_has_already_gets_a_number() -> None:
    taken = {"a", "a-2", "x" * 63}
    assert free_label("a", taken) == "a-3"
    assert free_label("x" * 63, taken) == "x" * 61 + "-2"


@given(st.text(max_size=80))
@settings(max_examples=60, deadline=None)
def test_any_name_becomes_one_that_the_spec_takes(name: str) -> None:
    AgentSpec(name=as_label(name), system_prompt="x")


def test_a_secret_in_a_field_stays_behind_and_is_never_repeated(tmp_path: Path) -> None:
    key = f"sk-{secrets.token_hex(20)}1"
    text = json.dumps(
        {
            "name": "a", "prompt": "Help.", "model": {"name": key, "api_key": key, "headers": {"x": key}},
            "search_token": key, "tools": [key], "mcpServers": {"git": {"command": f"git-mcp --token={key}"}},
        }
    )  # fmt: skip
    found = planned(tmp_path, text, "agent.json")
    [one] = found.converted
    assert {note.place[-1] for note in one.notes if note.code == "secret_left_out"} >= {
        "api_key",
        "headers",
        "search_token",
    }
    assert key not in json.dumps(found.as_json())
    assert key not in one.toml


REFERENCE = f"cred_{'0a' * 16}"


def test_a_reference_to_a_credential_is_carried_over_with_its_provider() -> None:
    [one] = of({"name": "a", "prompt": "x", "llm": {"provider": "openai-compatible", "api_key": REFERENCE}}).converted
    spec = examine(one.toml.encode(), "toml").spec
    assert spec is not None
    assert (spec.llm.provider, spec.llm.credential_ref) == ("openai", REFERENCE)
    assert one.notes == []


@pytest.mark.parametrize(
    "document",
    [
        {"name": "a", "prompt": "x", "llm": {"provider": "mistral", "api_key_ref": REFERENCE}},
        {"name": "a", "prompt": "x", "model": "mistral/large", "credential_ref": REFERENCE},
        {"a": {"role": "r", "goal": "g", "llm": {"model": "cohere/command-r", "credential_ref": REFERENCE}}},
    ],
    ids=["in a table", "beside the model", "CrewAI's"],
)
def test_the_account_of_a_provider_that_is_left_out_is_given_to_no_other(document: dict[str, Any]) -> None:
    [one] = of(document).converted
    assert REFERENCE not in one.toml
    assert {note.code for note in one.notes} >= {"provider_not_supported", "credential_left_out"}


def test_a_secret_in_a_prompt_refuses_the_agent_as_the_validator_does(tmp_path: Path) -> None:
    key = f"ghp_{secrets.token_hex(20)}1"
    found = planned(tmp_path, f"name: a\nprompt: Use {key} for GitHub.\n")
    [refusal] = found.refused
    assert refusal.reasons[0].code == "secret_in_document"
    assert key not in json.dumps(found.as_json())


def test_a_value_that_the_validator_refuses_refuses_the_agent_with_its_words(tmp_path: Path) -> None:
    found = planned(tmp_path, f"name: a\nprompt: {'x' * 70_000}\ntemperature: 3\n")
    [refusal] = found.refused
    assert {reason.code for reason in refusal.reasons} == {"string_too_long", "less_than_equal"}
    assert any(reason.msg.startswith("llm.temperature: ") for reason in refusal.reasons)


def test_a_long_description_is_cut_at_a_word_and_told() -> None:
    [one] = of({"name": "a", "prompt": "x", "description": "word " * 600}).converted
    description = examine(one.toml.encode(), "toml").spec.description  # type: ignore[union-attr]
    assert len(description) <= 2000
    assert description.endswith("word…")
    assert [note.code for note in one.notes] == ["description_cut"]


def test_carriage_returns_of_a_prompt_survive(tmp_path: Path) -> None:
    [one] = planned(tmp_path, json.dumps({"name": "a", "prompt": "one\r\ntwo\rthree\n"}), "a.json").converted
    report = examine(one.toml.encode(), "toml")
    assert report.spec is not None
    assert report.spec.system_prompt == "one\r\ntwo\rthree\n"


def test_two_resources_of_one_kind_and_name_are_told_and_the_first_is_taken() -> None:
    def ghost(prompt: str) -> dict[str, Any]:
        return {
            "apiVersion": "agent.wecode.io/v1",
            "kind": "Ghost",
            "metadata": {"name": "g"},
            "spec": {"systemPrompt": prompt},
        }

    first, second = ForeignFile("1.yaml", "1", (ghost("One."),)), ForeignFile("2.yaml", "2", (ghost("Two."),))
    found = check(convert_files([first, second]))
    assert [one.name for one in found.converted] == ["g"]
    assert "One." in found.converted[0].toml
    assert [refusal.reasons[0].code for refusal in found.refused] == ["doubled_resource"]
    assert "1.yaml" in found.refused[0].reasons[0].msg


ODD: dict[str, tuple[dict[str, Any], set[tuple[Any, str]]]] = {
    "tools without names": ({"prompt": "x", "tools": [{}, 3, " "]}, {("tools", "tool_unnamed")}),
    "servers in a list": ({"prompt": "x", "mcpServers": ["git"]}, {("mcpServers", "not_a_table")}),
    "a server that is no table": ({"prompt": "x", "mcpServers": {"git": None}}, {("mcpServers", "register_server")}),
    "a model that is a list": ({"prompt": "x", "model": ["gpt-4o"]}, {("model", "model_unknown")}),
    "a model that is a path": ({"prompt": "x", "model": "openai/gpt 4 (new)"}, {("model", "model_unknown")}),
    "two models": ({"prompt": "x", "model": "gpt-4o", "llm": "gpt-4"}, {("model", "doubled_field")}),
    "two prompts": ({"prompt": "x", "instructions": "y"}, {("prompt", "doubled_field")}),
    "a provider alone": ({"prompt": "x", "provider": "mistral"}, {("provider", "provider_not_supported")}),
    "numbers that are none": (
        {"prompt": "x", "temperature": "hot", "max_tokens": True, "max_steps": float("inf")},
        {("temperature", "not_a_number"), ("max_tokens", "not_a_number"), ("max_steps", "not_a_number")},
    ),
    "no limit at all": ({"prompt": "x", "max_tokens": -1, "timeout": None}, set()),
    "a runtime of another system": ({"prompt": "x", "runtime": {"shell": "Docker"}}, {("shell", "not_supported")}),
    "a table that is text": ({"prompt": "x", "limits": "many"}, {("limits", "not_a_table")}),
    "a description that is a list": ({"prompt": "x", "description": ["a"]}, {("description", "not_text")}),
    "a capability of signs": ({"prompt": "x", "capabilities": ["!!", 3]}, {("capabilities", "not_a_capability")}),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_values_are_told_with_their_place(case: str) -> None:
    document, expected = ODD[case]
    [one] = of({"name": "a", **document}).converted
    assert {(note.place[-1], note.code) for note in one.notes} == expected


def test_an_agent_of_a_crew_that_says_nothing_is_refused_and_the_others_are_not() -> None:
    found = of({"a": {"role": "r", "goal": "g"}, "b": {"verbose": True}, "c": {"role": "r", "llm": ["x"]}})
    assert [one.name for one in found.converted] == ["a", "c"]
    assert [(one.name, one.reasons[0].code) for one in found.refused] == [("b", "no_prompt")]
    assert "model_unknown" in {note.code for note in found.converted[1].notes}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
OF_AGENTS = ["name", "system_prompt", "prompt", "instructions", "role", "goal", "backstory", "description"]
OF_TABLES = ["llm", "model", "provider", "temperature", "max_tokens", "api_key", "base_url", "tools", "mcpServers"]
OF_LIMITS = ["capabilities", "limits", "max_iter", "timeout", "runtime", "memory"]
OF_WRAPPERS = ["object", "data", "apiVersion", "kind", "metadata", "spec", "items", "agents"]
KNOWN = st.sampled_from([*OF_AGENTS, *OF_TABLES, *OF_LIMITS, *OF_WRAPPERS])
TABLES = st.dictionaries(KNOWN, VALUES, max_size=8)
KINDS = st.fixed_dictionaries(
    {
        "apiVersion": st.just("agent.wecode.io/v1"),
        "kind": st.sampled_from(["Ghost", "Bot", "Team", "Model", "GhostList"]),
    },
    optional={
        "metadata": st.dictionaries(st.sampled_from(["name", "namespace"]), VALUES),
        "spec": st.dictionaries(st.sampled_from(["systemPrompt", "ghostRef", "members", "modelConfig"]), VALUES),
        "items": VALUES,
    },
)


@given(st.lists(TABLES | KINDS | VALUES, max_size=4))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_a_file_holds_is_an_agent_that_the_validator_takes_or_a_word_on_it(documents: list[Any]) -> None:
    found = check(convert_files([ForeignFile("any.yaml", "any", tuple(documents))]))
    for one in found.converted:
        report = examine(one.toml.encode(), "toml")
        assert report.spec is not None
        assert report.spec.name == one.name
    assert len({one.name for one in found.converted}) == len(found.converted)
    assert found.converted or found.refused or found.skipped
    json.dumps(found.as_json())


def test_parts_that_no_bot_has_are_told():
    def kind(name: str, spec: dict[str, Any]) -> dict[str, Any]:
        return {
            "apiVersion": "agent.wecode.io/v1",
            "kind": name,
            "metadata": {"name": f"my-{name.lower()}"},
            "spec": spec,
        }

    bot = kind("Bot", {"ghostRef": {"name": "my-ghost"}, "modelRef": {"name": "my-model"}})
    ghost = kind("Ghost", {"systemPrompt": "Be brief."})
    alone = check(convert_files([ForeignFile("a.yaml", "a", (kind("Model", {}), kind("Shell", {})))]))
    assert [one.what for one in alone.skipped] == ["Model my-model", "Shell my-shell"]
    assert {one.reason for one in alone.skipped} == {"no Bot has it, and it makes no agent by itself"}
    together = check(convert_files([ForeignFile("a.yaml", "a", (kind("Model", {}), bot, ghost))]))
    assert [one.name for one in together.converted] == ["my-bot"]
    assert not together.skipped


UNKNOWN_NAMES = st.from_regex(r"zz_[a-w]{1,8}", fullmatch=True)


@given(st.dictionaries(UNKNOWN_NAMES, st.integers(1, 9) | st.text("ab", min_size=1), min_size=1, max_size=4))
@settings(max_examples=25, deadline=None)
def test_no_field_passes_without_a_word(unknown: dict[str, Any]) -> None:
    plain = {"name": "a", "prompt": "x", **unknown}
    crew = {"a": {"role": "r", "goal": "g", **unknown}}
    assistant = {"object": "assistant", "model": "gpt-4o", "name": "a", "instructions": "x", **unknown}
    ghost = {**GHOST, "metadata": {"name": "a"}, "spec": {"systemPrompt": "x", **unknown}}
    for document in (plain, crew, assistant, ghost):
        [one] = of(document).converted
        assert {note.place[-1] for note in one.notes if note.code == "unknown_field"} == set(unknown)
