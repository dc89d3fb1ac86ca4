"""Wegent's Model kind: a protocol, and settings that are called as some shell's environment variables."""

from collections.abc import Mapping
from typing import Any

from kgents_cli.migration.fields import Fields
from kgents_cli.migration.models import (
    NamedModel,
    carry_credential,
    carry_model,
    carry_sampling,
    lose_address,
    named,
    only_with_provider,
)
from kgents_cli.migration.notes import Note, Place

_BY_VARIABLE = (("ANTHROPIC_MODEL", "anthropic"), ("OPENAI_MODEL", "openai"), ("GEMINI_MODEL", "google"))
_SMALLER = ("ANTHROPIC_DEFAULT_HAIKU_MODEL", "ANTHROPIC_SMALL_FAST_MODEL", "ANTHROPIC_DEFAULT_SONNET_MODEL")
_KEYS = ("api_key", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY")
_ADDRESSES = ("base_url", "ANTHROPIC_BASE_URL", "OPENAI_BASE_URL", "GEMINI_BASE_URL")
_SPEC_LOST = {
    "apiFormat": "the platform calls a model in its own way",
    "contextWindow": "how much a model reads is the model's own",
    "modelCapabilities": "messages are text",
    "costIndex": "cost is counted from usage",
}
_BOOKKEEPING = ("isCustomConfig", "modelGroup", "modelSubGroup", "isAdvanced")


def carry_kind_model(spec: Mapping[str, Any], place: Place, notes: list[Note]) -> dict[str, Any]:
    """`[llm]` of a Model's spec; its notes are added to these."""
    fields = Fields(spec, place, notes)
    protocol = fields.text("protocol")
    category = fields.text("modelType")
    if category not in (None, "llm"):
        fields.lose("modelType", "model_unknown", f"a model for {category} can't answer; the platform's own does")
        fields.ignore(*spec)
        return {}
    config = fields.inside("modelConfig")
    carried: dict[str, Any] = {}
    if config is not None:
        env = config.inside("env")
        carried |= {} if env is None else _env(env, protocol)
        carried |= carry_sampling(config)
        config.lose_known({"context_window": "how much a model reads is the model's own"})
        config.lose_rest()
    carried |= carry_sampling(fields)
    fields.lose_known(_SPEC_LOST)
    fields.ignore(*_BOOKKEEPING)
    fields.lose_rest()
    return carried


def _env(env: Fields, protocol: str | None) -> dict[str, Any]:
    place, found = _model(env, protocol)
    carried = carry_model(env, place, found) | carry_sampling(env) | carry_credential(env, *_KEYS)
    lose_address(env, *_ADDRESSES)
    env.lose_known(dict.fromkeys(_SMALLER, "an agent has one model"))
    env.lose_rest()
    return only_with_provider(env, place, found, carried)


def _model(env: Fields, protocol: str | None) -> tuple[str, NamedModel]:
    """`model` is the protocol there and `model_id` the model; or one variable of a shell names both."""
    provider, model = env.text("model"), env.text("model_id")
    if model is not None:
        return "model_id", named(model, protocol or provider)
    for variable, issuer in _BY_VARIABLE:
        value = env.text(variable)
        if value is not None:
            told = named(value)
            return variable, told if told.provider is not None else NamedModel(issuer, value)
    return "model", named(provider, protocol)
