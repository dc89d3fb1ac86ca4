"""Every bad input that a definition can be: told at once, with its place, a hint and a code."""

import json
from typing import Any

import httpx
import pytest

TOML = {"content-type": "application/toml"}
JSON = {"content-type": "application/json"}


async def refused(caller: httpx.AsyncClient, content: str | bytes, headers: dict[str, str]) -> dict[str, Any]:
    answer = await caller.post("/api/v1/agents", content=content, headers=headers)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["errors"]
    return problem


@pytest.mark.parametrize(
    ("text", "line", "column", "expected"),
    [
        ('name = "a"\nsystem_prompt "b"', 2, 15, '"="'),
        ('name = "a"\nsystem_prompt = b', 2, 17, "expected a value"),
        ('name = "a"\n[llm\nmodel = "x"', 2, 5, '"]"'),
        ('name = "a"\nname = "b"', 2, 11, "only once"),
        ('name = "a', 1, 10, "closing quotes"),
        ('name = "a"\nsystem_prompt = """b', 2, 21, "closing quotes"),
        ('tools.allow = ["a"', 1, 19, '"]"'),
        ('name = "a" "b"', 1, 12, "the line to end here"),
        ('name = "a\\q"', 1, 12, "an escape"),
        ('\n\n= "a"', 3, 1, "expected key"),
        ('name = "a"\nlimits = {memory_mb = 64', 2, 25, '"}"'),
    ],
)
async def test_broken_toml_is_told_with_line_column_and_what_was_expected(
    caller: httpx.AsyncClient, text: str, line: int, column: int, expected: str
) -> None:
    problem = await refused(caller, text, TOML)
    (fault,) = problem["errors"]
    assert (fault["code"], fault["line"], fault["column"]) == ("toml_syntax", line, column)
    assert expected in fault["hint"]
    assert f"line {line}, column {column}" in problem["detail"]


@pytest.mark.parametrize(
    ("text", "line", "column", "expected"),
    [
        ('{"name": "a",\n "system_prompt": }', 2, 19, "expected a value"),
        ('{"name": "a"', 1, 13, '","'),
        ('{"name" "a"}', 1, 9, '":"'),
        ("{} {}", 1, 4, "end of the document"),
        ("", 1, 1, "expected a value"),
    ],
)
async def test_broken_json_is_told_with_line_and_column(
    caller: httpx.AsyncClient, text: str, line: int, column: int, expected: str
) -> None:
    (fault,) = (await refused(caller, text, JSON))["errors"]
    assert (fault["code"], fault["line"], fault["column"]) == ("json_syntax", line, column)
    assert expected in fault["hint"]


async def test_all_faults_are_told_at_once_each_with_a_hint(caller: httpx.AsyncClient) -> None:
    text = """
        sytem_prompt = "You help."
        capabilities = "chat"
        [llm]
        temprature = 1
        temperature = 3
        max_tokens = "many"
        [limits]
        memory_mb = 1
        max_steps = true
        timeout_s = 1.5
        [runtime]
        shell = "Bash"
        [tools]
        allow = ["not a tool"]
    """
    errors = (await refused(caller, text, TOML))["errors"]
    faults = {".".join(str(part) for part in fault["loc"]): (fault["code"], fault["hint"]) for fault in errors}
    assert faults == {
        "name": ("missing", 'add "name": the agent is called and addressed by it'),
        "system_prompt": ("missing", 'add "system_prompt": it tells the model who it is and how to behave'),
        "sytem_prompt": ("extra_forbidden", '"sytem_prompt": did you mean "system_prompt"?'),
        "capabilities": ("list_type", 'write a list: ["…", "…"]'),
        "llm.temprature": ("extra_forbidden", '"temprature": did you mean "temperature"?'),
        "llm.temperature": ("less_than_equal", "choose 2.0 or less"),
        "llm.max_tokens": ("int_type", "write a whole number, without quotes"),
        "limits.memory_mb": ("greater_than_equal", "choose 64 or more"),
        "limits.max_steps": ("int_type", "write a whole number, without quotes"),
        "limits.timeout_s": ("int_type", "write a whole number, without quotes"),
        "runtime.shell": ("literal_error", "choose 'Chat', 'Langflow' or 'Remote'"),
        "tools.allow.0": ("string_pattern_mismatch", 'name a tool as "server.tool", or many with "*": "server.*"'),
    }


@pytest.mark.parametrize(
    ("fields", "loc", "code"),
    [
        ({"system_prompt": ""}, ["system_prompt"], "string_too_short"),
        ({"system_prompt": "x" * 65_537}, ["system_prompt"], "string_too_long"),
        ({"system_prompt": 1}, ["system_prompt"], "string_type"),
        ({"system_prompt": None}, ["system_prompt"], "string_type"),
        ({"system_prompt": "a\x00b"}, ["system_prompt"], "nul_character"),
        ({"description": "\ud800"}, ["description"], "string_unicode"),
        ({"name": "Upper"}, ["name"], "string_pattern_mismatch"),
        ({"name": "a" * 64}, ["name"], "string_too_long"),
        ({"name": "-a"}, ["name"], "string_pattern_mismatch"),
        ({"name": "a\n"}, ["name"], "string_pattern_mismatch"),
        ({"name": "wrappers"}, ["name"], "reserved_name"),
        ({"name": "019a0000-0000-7000-8000-000000000000"}, ["name"], "reserved_name"),
        ({"llm_provider": "nobody"}, ["llm_provider"], "literal_error"),
        ({"llm_provider": "echo", "llm": {"provider": "openai"}}, [], "conflicting_provider"),
        ({"llm": {"temperature": 10**4000}}, ["llm", "temperature"], "float_type"),
        ({"llm": []}, ["llm"], "model_type"),
        ({"capabilities": ["a", "a"]}, ["capabilities"], "doubled_capability"),
        ({"owner_id": "someone"}, ["owner_id"], "extra_forbidden"),
        ({"version": 7}, ["version"], "extra_forbidden"),
        ({"id": "x"}, ["id"], "extra_forbidden"),
        ({"llm": {"credential_ref": "cred_1"}}, ["llm", "credential_ref"], "string_pattern_mismatch"),
    ],
)
async def test_a_bad_value_is_told_at_its_place(
    caller: httpx.AsyncClient, fields: dict[str, Any], loc: list[str], code: str
) -> None:
    body = json.dumps({"name": "good", "system_prompt": "Good.", **fields})
    (fault,) = (await refused(caller, body, JSON))["errors"]
    assert (fault["loc"], fault["code"]) == (loc, code)


@pytest.mark.parametrize(
    ("content", "headers", "code"),
    [
        (b'{"name": "a", "name": "b", "system_prompt": "x"}', JSON, "duplicate_key"),
        (b'{"name": "a", "system_prompt": "x", "llm": {"model": "a", "model": "b"}}', JSON, "duplicate_key"),
        (b'{"name": "a", "system_prompt": "x", "llm": {"temperature": NaN}}', JSON, "json_syntax"),
        (b'{"name": "a", "system_prompt": "x", "llm": {"temperature": -Infinity}}', JSON, "json_syntax"),
        (b'{"name": "a", "system_prompt": "x", "llm": {"temperature": 1e999}}', JSON, "finite_number"),
        (b'name = "a"\nsystem_prompt = "x"\nllm.temperature = nan', TOML, "finite_number"),
        (b'name = "a"\nsystem_prompt = 1979-05-27', TOML, "string_type"),
        (b'{"\\ud800": 1}', JSON, "string_unicode"),
        (b'{"name": "a", "system_prompt": ' + b"1" * 5000 + b"}", JSON, "json_syntax"),
        (b"name = " + b"1" * 5000, TOML, "toml_syntax"),
        (b'name = "\xff"', TOML, "not_utf8"),
        (b'{"name": "\xff"}', JSON, "not_utf8"),
        (b'"just text"', JSON, "model_type"),
        (b"[]", JSON, "model_type"),
        (b"null", JSON, "model_type"),
    ],
)
async def test_what_the_parsers_would_let_pass_is_refused(
    caller: httpx.AsyncClient, content: bytes, headers: dict[str, str], code: str
) -> None:
    problem = await refused(caller, content, headers)
    assert code in {fault["code"] for fault in problem["errors"]}


FULL = 250_000


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        ("[" * FULL, JSON), ('{"a":' * (FULL // 5), JSON), ("a = " + "[" * FULL, TOML),
        ("a = " + "{a = " * (FULL // 5), TOML), ("a." * (FULL // 2) + "a = 1", TOML),
        ("[" + "a." * (FULL // 2) + "a]", TOML), ('"".' * (FULL // 3) + "a = 1", TOML),
        ("[[a]]\n" * (FULL // 6), TOML), ("a = [" + "1," * (FULL // 2) + "]", TOML),
        ("a = [" + "[" * 100 + "]" * 100 + "]", TOML), ("[" * 40 + "]" * 40, JSON),
        ("".join(f"k{number} = 1\n" for number in range(20_000)), TOML),
        (json.dumps({f"k{number}": 1 for number in range(15_000)}), JSON),
    ],
    ids=range(13),
)  # fmt: skip
async def test_a_bomb_is_refused_before_a_parser_sees_it(
    caller: httpx.AsyncClient, content: str, headers: dict[str, str]
) -> None:
    (fault,) = (await refused(caller, content, headers))["errors"]
    assert fault["code"] in ("json_syntax", "toml_syntax")
    assert "deeper" in fault["msg"] or "more than" in fault["msg"]


async def test_a_body_over_256_kib_is_too_large_with_and_without_a_length(caller: httpx.AsyncClient) -> None:
    async def chunks():
        for _ in range(300):
            yield b"#" * 1023 + b"\n"

    with_length = await caller.post("/api/v1/agents", content=b"#" * (256 * 1024 + 1), headers=TOML)
    without = await caller.post("/api/v1/agents", content=chunks(), headers=TOML)
    for answer in (with_length, without):
        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


@pytest.mark.parametrize("media_type", ["application/x-www-form-urlencoded", "text/plain", "application/x-yaml", ""])
async def test_another_media_type_is_told_what_can_be_sent(caller: httpx.AsyncClient, media_type: str) -> None:
    answer = await caller.post("/api/v1/agents", content="name: a", headers={"content-type": media_type})
    assert answer.status_code == 415
    assert "application/toml" in answer.json()["detail"]


async def test_a_long_prompt_with_brackets_dots_and_quotes_is_mere_text(caller: httpx.AsyncClient) -> None:
    prompt = "Look [at] {this}... \"quoted\" 'so' # not a comment\\n\n" * 1200
    assert len(prompt) < 65_536
    literal = prompt.replace("'", "`")
    for name, content, headers in (
        ("in-json", json.dumps({"name": "in-json", "system_prompt": prompt}), JSON),
        ("in-toml", f"name = 'in-toml' # [[[\nsystem_prompt = '''{literal}'''", TOML),
    ):
        answer = await caller.post("/api/v1/agents", content=content, headers=headers)
        assert answer.status_code == 201, answer.text
        assert answer.json()["draft"]["system_prompt"] == (prompt if name == "in-json" else literal)


async def test_a_file_with_windows_line_ends_and_a_byte_order_mark_is_read(caller: httpx.AsyncClient) -> None:
    text = '\ufeffname = "from-windows"\r\nsystem_prompt = """a\r\nb"""\r\n'
    answer = await caller.post("/api/v1/agents", content=text.encode(), headers=TOML)
    assert answer.status_code == 201
    assert answer.json()["draft"]["system_prompt"] == "a\nb"
