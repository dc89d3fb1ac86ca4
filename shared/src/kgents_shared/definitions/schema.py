"""The JSON Schema of definitions as people write them, for editors and for whoever checks before sending."""

from typing import Any, cast

from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.path_table import RESERVED_AGENT_NAMES

SCHEMA_ID = "urn:kgents:schema:agent"


def agent_schema() -> dict[str, Any]:
    """JSON Schema 2020-12. It takes what the validator takes, but for rules between fields and for secrets."""
    schema = AgentSpec.model_json_schema()
    tables = cast("dict[str, dict[str, Any]]", schema["$defs"])
    for table in (schema, *tables.values()):
        for field in table["properties"].values():
            field.pop("title", None)
    fields: dict[str, Any] = schema["properties"]
    fields["name"]["not"] = {"enum": sorted(RESERVED_AGENT_NAMES)}
    fields["capabilities"] |= {"default": AgentSpec.model_fields["capabilities"].get_default(call_default_factory=True)}
    fields["capabilities"]["uniqueItems"] = True
    for name in ("allow", "deny"):
        tables["ToolsSpec"]["properties"][name]["default"] = []
    provider = tables["LlmSpec"]["properties"]["provider"]
    short = {**provider, "description": "Short for `provider` in `[llm]`."}
    place = list(fields).index("llm")
    schema["properties"] = dict([*list(fields.items())[:place], ("llm_provider", short), *list(fields.items())[place:]])
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Kgents agent",
        "description": schema.pop("description"),
    }
    return {**head, **{key: value for key, value in schema.items() if key != "title"}}
