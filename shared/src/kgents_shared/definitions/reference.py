"""`docs/agent-reference.md`: every field of a definition with its default and what it takes, made of the schema."""

from collections.abc import Iterator
from typing import Any, cast

from kgents_shared.definitions.schema import agent_schema

_HEAD = """# Agent definitions

An agent is defined in TOML, or in JSON with the same fields. `name` and `system_prompt` are required, everything else
has a default. A field that isn't known is refused rather than ignored. `kgents validate FILE` says what is wrong, where
and how to mend it; `kgents schema` prints the JSON Schema, from which editors complete and check while you write:

```toml
#:schema ./agent.schema.json
name = "my-agent"
system_prompt = "You are helpful."
```

This page is made of the sources by `python -m kgents_cli.checks.references --write`; `./kgents lint references`
compares the two. Beside what each field takes there are
[rules between fields, and warnings](errors.md#warnings-about-definitions), and an operator may set limits:
`MANAGEMENT_MOST_MEMORY_MB`, `MANAGEMENT_MOST_CPU`, `MANAGEMENT_MOST_PROCESSES`, `MANAGEMENT_MOST_REPLICAS`,
`MANAGEMENT_MOST_STEPS`, `MANAGEMENT_MOST_TIMEOUT_S`, `MANAGEMENT_MOST_TOKENS` and `MANAGEMENT_PROVIDERS`.
"""

# What a pattern says, for people.
_FORMS = {
    "name": "1 to 63 of `a-z`, `0-9` and `-`, a letter or digit first and last",
    "capabilities": "1 to 64 of `a-z`, `0-9`, `.`, `_` and `-`, a letter or digit first and last",
    "allow": "`server.tool`, or many with `*`: `server.*`",
    "deny": "`server.tool`, or many with `*`: `server.*`",
    "credential_ref": "`cred_…`, as `kgents credentials list` shows it",
    "flow": "`sha256:…`",
    "max_cost_per_day": "an amount such as `5` or `0.25`, in the platform's currency",
    "url": "`https://…` or `http://…`",
}
_PLAIN = {"table": "a table, see below", "boolean": "`true` or `false`"}
EXAMPLES = (
    (
        "The least there is",
        'name = "brief"\nsystem_prompt = "Answer in one sentence."\n',
    ),
    (
        "A prompt over several lines, kept to the byte",
        '''name = "reviewer"
description = "Reads code and says what to mend."
capabilities = ["chat", "code-review"]
system_prompt = """
You review code.

1. Name what is wrong, with its line.
2. Say how to mend it.
Say nothing about style.
"""
''',
    ),
    (
        "A model of one's own choice, and bounds for each message",
        '''name = "analyst"
system_prompt = "You answer questions about figures. Show how you come to each."
llm_provider = "openai"

[llm]
model = "gpt-4.1"
temperature = 0.2
max_tokens = 2000

[limits]
max_steps = 8
timeout_s = 60
''',
    ),
    (
        "Tools: two servers, without the tools that write",
        '''name = "librarian"
system_prompt = "Look things up before you answer, and name where you found them."

[tools]
allow = ["files.*", "search.web"]
deny = ["files.write", "files.delete"]

[limits]
memory_mb = 512
''',
    ),
    (
        "A team: each member gets what the one before it answered",
        '''name = "newsroom"
system_prompt = "A draft is written and then edited."

[team]
mode = "pipeline"
members = [
    { agent = "writer", role = "writes the draft" },
    { agent = "editor", role = "shortens it" },
]
''',
    ),
)  # fmt: skip


def agent_reference() -> str:
    """The page."""
    schema = agent_schema()
    tables = cast("dict[str, dict[str, Any]]", schema["$defs"])
    own = {name: field for name, field in schema["properties"].items() if _table_in(field) is None}
    parts = [_HEAD, "## At the top\n", *_rows(own, set(schema["required"]))]
    for name, field in schema["properties"].items():
        if (ref := _table_in(field)) is not None:
            parts += _table(tables, f"[{name}]", ref)
    parts.append("## Examples\n")
    for title, text in EXAMPLES:
        parts.append(f"{title}:\n\n```toml\n{text}```\n")
    return "\n".join(parts)


def _table_in(field: dict[str, Any]) -> str | None:
    """The table that a field is, whether or not it may be left out."""
    return next((kind["$ref"] for kind in (field, *field.get("anyOf", ())) if "$ref" in kind), None)


def _table(tables: dict[str, dict[str, Any]], heading: str, ref: str) -> Iterator[str]:
    """A table of a definition, and those in it."""
    table = tables[ref.rpartition("/")[2]]
    yield f"## `{heading}`\n"
    yield table["description"] + "\n"
    yield from _rows(table["properties"], set(table.get("required", ())))
    name = heading.strip("[]")
    for inner, field in table["properties"].items():
        is_list = field.get("type") == "array"
        inside = field["items"] if is_list else next(iter(field.get("anyOf", ())), field)
        if "$ref" in inside:
            yield from _table(tables, f"[[{name}.{inner}]]" if is_list else f"[{name}.{inner}]", inside["$ref"])


def _rows(fields: dict[str, dict[str, Any]], required: set[str]) -> Iterator[str]:
    yield "| field | default | takes | meaning |\n|---|---|---|---|"
    for name, field in fields.items():
        default = "**required**" if name in required else _shown(field.get("default"))
        yield f"| `{name}` | {default} | {_takes(name, field)} | {field['description']} |"
    yield ""


def _shown(default: object) -> str:
    if default is None:
        return "none"
    if isinstance(default, list):
        return f"`[{', '.join(_quoted(item) for item in cast('list[object]', default))}]`"
    return f"`{_quoted(default)}`"


def _quoted(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def _takes(name: str, field: dict[str, Any]) -> str:
    """What a field takes, in words, from its schema."""
    if "anyOf" in field:
        return _takes(name, next(one for one in field["anyOf"] if one.get("type") != "null"))
    if "const" in field or "enum" in field:
        return " or ".join(f"`{_quoted(value)}`" for value in field.get("enum", [field.get("const")]))
    kind = field.get("type", "table")
    if kind == "array":
        return f"a list of up to {field['maxItems']}: {_takes(name, field['items'])}"
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind in {"integer", "number"}:
        word = "a whole number" if kind == "integer" else "a number"
        return f"{word} from {field['minimum']:,} to {field['maximum']:,}"
    return _FORMS.get(name) or _takes_text(field)


def _takes_text(field: dict[str, Any]) -> str:
    if "pattern" in field:
        return "text of a form that the schema has"
    least = f"{field['minLength']} to" if "minLength" in field else "up to"
    return f"text of {least} {field['maxLength']:,} characters" if "maxLength" in field else "text"
