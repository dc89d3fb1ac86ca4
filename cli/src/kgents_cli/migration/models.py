"""Foreign names of models (`anthropic/claude-…`, `gpt-4o`) as provider and model, where the platform can call them."""

import math
import re
from dataclasses import dataclass
from typing import Any, get_args

from kgents_cli.migration.documents import short_json
from kgents_cli.migration.fields import Fields
from kgents_shared.contracts.agent_spec import Provider
from kgents_shared.contracts.credentials import CREDENTIAL_REF

CALLABLE: frozenset[str] = frozenset(get_args(Provider))
_ALIASES = {
    "claude": "anthropic",
    "gemini": "google",
    "google_ai": "google",
    "google_genai": "google",
    "googleai": "google",
    "vertex_ai": "google",
    "vertexai": "google",
    "openai-responses": "openai",
    "openai_chat": "openai",
    "openai_chat_completions": "openai",
    "ollama_chat": "ollama",
    "openai-compatible": "openai",  # whoever speaks its wire; where it is, a credential or the server knows
    "openai_compatible": "openai",
}
_BY_MODEL = (
    (re.compile(r"(?:gpt-|o[1-9](?:-|$)|chatgpt-|ft:gpt-|codex-|text-davinci)"), "openai"),
    (re.compile(r"claude-"), "anthropic"),
    (re.compile(r"gemini-"), "google"),
)
_MODEL_NAME = re.compile(r"[\w.:@/+-]{1,200}")


@dataclass(frozen=True, slots=True)
class NamedModel:
    """A provider where one could be made out, and the model as that provider calls it."""

    provider: str | None
    model: str | None


def named(model: str | None, provider: str | None = None) -> NamedModel:
    """`openai/gpt-4o`, `openrouter,anthropic/claude-…` or `gpt-4o`, with the provider where it stands by itself."""
    told = None if provider is None else _known_as(provider)
    if model is None:
        return NamedModel(told, None)
    model = model.strip()
    if told is not None:
        return NamedModel(told, model.removeprefix(f"{provider}/"))
    router, comma, routed = model.partition(",")
    if comma and routed:
        return NamedModel(_known_as(router), routed)
    prefix, slash, rest = model.partition("/")
    if slash and rest:
        return NamedModel(_known_as(prefix), rest)
    return NamedModel(next((name for shape, name in _BY_MODEL if shape.match(model)), None), model)


def _known_as(provider: str) -> str:
    name = provider.strip().lower()
    return _ALIASES.get(name, name)


def carry_model(fields: Fields, place: str, found: NamedModel) -> dict[str, Any]:
    """`provider` and `model` for `[llm]`, or nothing and a note of why the platform's own model answers instead."""
    instead = "the platform's own model answers instead"
    hint = "set llm.provider and llm.model to one that it can, such as a server that speaks OpenAI's wire"
    shown = short_json(found.model or found.provider or "")
    if found.provider is None and found.model is None:
        return {}
    if found.provider is None:
        fields.lose(place, "model_unknown", f"whose model {shown!r} is can't be told from its name; {instead}", hint)
        return {}
    if found.provider not in CALLABLE:
        fields.lose(place, "provider_not_supported", f"the platform can't call {found.provider}; {instead}", hint)
        return {}
    if found.model is not None and _MODEL_NAME.fullmatch(found.model) is None:
        fields.lose(place, "model_unknown", f"{shown!r} is no model's name; {instead}", hint)
        return {}
    return {"provider": found.provider} | ({} if found.model is None else {"model": found.model})


def carry_sampling(fields: Fields) -> dict[str, Any]:
    """`temperature` and `max_tokens` for `[llm]` as they stand here; the validator judges the values.

    A limit that is no limit (-1, 0) is left out, which means the same.
    """
    carried: dict[str, Any] = {}
    temperature = number_in(fields, "temperature", "llm_temperature")
    if temperature is not None:
        carried["temperature"] = float(temperature)
    most = number_in(fields, "max_tokens", "max_output_tokens", "maxTokens", "maxOutputTokens", "max_completion_tokens")
    if most is not None and most > 0:
        carried["max_tokens"] = int(most)
    fields.lose_known(_SAMPLING_LOST)
    return carried


_SAMPLING_LOST = {
    "top_p": "the platform passes temperature and max_tokens to a model, no other sampling setting",
    "topP": "the platform passes temperature and max_tokens to a model, no other sampling setting",
    "top_k": "the platform passes temperature and max_tokens to a model, no other sampling setting",
    "frequency_penalty": "the platform passes temperature and max_tokens to a model, no other sampling setting",
    "presence_penalty": "the platform passes temperature and max_tokens to a model, no other sampling setting",
    "stop": "the platform passes temperature and max_tokens to a model, no other sampling setting",
    "seed": "the platform passes temperature and max_tokens to a model, no other sampling setting",
    "timeout": "a model call lasts as long as the run may: limits.timeout_s",
    "reasoning_effort": "the platform passes temperature and max_tokens to a model, no other setting",
}


def number_in(fields: Fields, *names: str) -> float | int | None:
    """The number in the first of these fields that says something; one in quotes counts, anything else is lost."""
    value = fields.take(*names)
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            value = None
            fields.lose(names[0], "not_a_number", "should be a number, and is not")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        fields.lose(names[0], "not_a_number", "should be a number, and is not")
        return None
    return value


def carry_credential(fields: Fields, *names: str) -> dict[str, Any]:
    """A `cred_…` reference; anything else is a secret or the place of one, and stays behind."""
    name = next((name for name in names if name in fields), names[0])
    value = fields.take(*names)
    if value is None:
        return {}
    if isinstance(value, str) and re.fullmatch(CREDENTIAL_REF, value):
        return {"credential_ref": value}
    fields.lose(
        name, "secret_left_out", "a definition never carries a key; the server's own is used",
        "store one with: kgents credentials create NAME --type llm_provider, and write its reference as "
        "llm.credential_ref; what stood in plain text must be replaced at its issuer",
    )  # fmt: skip
    return {}


def only_with_provider(fields: Fields, place: str, found: NamedModel, carried: dict[str, Any]) -> dict[str, Any]:
    """The table without its credential where the provider was left out: the account is of no use to another one."""
    if "credential_ref" not in carried or found == NamedModel(None, None) or "provider" in carried:
        return carried
    fields.lose(place, "credential_left_out", "its account is left out as its provider is")
    return {key: value for key, value in carried.items() if key != "credential_ref"}


def lose_address(fields: Fields, *names: str) -> None:
    """`base_url` and the like: an address belongs to the server's provider or to a credential, never to an agent."""
    name = next((name for name in names if name in fields), names[0])
    if fields.take(*names) is not None:
        fields.lose(
            name, "address_left_out", "a model's address belongs to the server or to a credential, never to an agent",
            "give it to a credential of type llm_provider, or to the server: OPENAI_BASE_URL where it is started",
        )  # fmt: skip
