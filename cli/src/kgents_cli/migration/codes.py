"""The codes of notes and refusals, and what each means. A refusal may carry the validator's own codes as well."""

from collections.abc import Mapping
from typing import Literal

Code = Literal[
    "address_left_out", "credential_left_out", "description_cut", "doubled_field", "doubled_resource",
    "fill_variables", "ghost_alone", "json_syntax", "limit_changed", "model_unknown", "no_bot", "no_prompt",
    "not_a_capability", "not_a_number", "not_a_resource", "not_a_table", "not_supported", "not_text",
    "not_utf8", "part_missing", "prompt_made", "provider_not_supported", "register_server", "renamed",
    "runs_elsewhere", "secret_left_out", "several_bots", "shell_changed", "shell_unknown", "too_deep",
    "too_large", "tool_not_here", "tool_unnamed", "unknown_field", "unknown_format", "yaml_syntax",
]  # fmt: skip

MEANINGS: Mapping[Code, str] = {
    "address_left_out": "A model's address was left out: it belongs to the server or to a credential.",
    "credential_left_out": "A credential was left out, as its provider was.",
    "description_cut": "The description was longer than ours may be, and is cut at a word.",
    "doubled_field": "Two fields mean the same and say different things; the first one is used.",
    "doubled_resource": "Two resources have one kind and name; the first one is used.",
    "fill_variables": "The prompt has variables that the other system filled in. Write what is meant.",
    "ghost_alone": "No Bot has this Ghost: the agent is its prompt alone.",
    "json_syntax": "The file is not JSON.",
    "limit_changed": "A limit was beyond what is allowed here, and is brought within it.",
    "model_unknown": "The model's name doesn't tell whose it is; the platform's own model answers.",
    "no_bot": "A Team has no members.",
    "no_prompt": "There is no prompt, or it stands in another file; an agent needs one.",
    "not_a_capability": "A capability's name can't be one here.",
    "not_a_number": "A number was expected.",
    "not_a_resource": "One of Wegent's kinds without a name or a spec.",
    "not_a_table": "A table of fields was expected.",
    "not_supported": "The platform has nothing of the kind, for the reason that is given.",
    "not_text": "Text was expected.",
    "not_utf8": "The file is not UTF-8 text.",
    "part_missing": "A Ghost, Model or Bot that is referred to is in none of the files. Give its file too.",
    "prompt_made": "The prompt is made of several fields.",
    "provider_not_supported": "The platform can't call this provider; the platform's own model answers.",
    "register_server": "An MCP server must be registered under the name that is given.",
    "renamed": "The name is another one here.",
    "runs_elsewhere": "The agent itself is in another program, not in the file.",
    "secret_left_out": "A key or token was left out. Keep it as a credential.",
    "several_bots": "A Team of several; each of its Bots becomes an agent of its own.",
    "shell_changed": "What ran the agent is another thing here, with the difference that is given.",
    "shell_unknown": "No file says what the Shell is; the agent runs in Chat.",
    "too_deep": "The file nests deeper than any definition.",
    "too_large": "The file is larger than any definition.",
    "tool_not_here": "A tool is code of the other system. Offer it by an MCP server and allow it by its name.",
    "tool_unnamed": "A tool has no name.",
    "unknown_field": "A field that means nothing here.",
    "unknown_format": "The document is no agent of a known format.",
    "yaml_syntax": "The file is not YAML, or has tags that stand for code.",
}
