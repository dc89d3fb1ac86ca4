"""The providers that there are, what is known of each, and the operator's accounts at them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp

from agent_runtime_service.gateway.choice import ModelDefaults
from agent_runtime_service.gateway.echo import EchoProvider
from agent_runtime_service.gateway.http_provider import Account, HttpProvider, ProviderLimits
from agent_runtime_service.gateway.providers import Provider
from agent_runtime_service.gateway.wires.anthropic import AnthropicWire
from agent_runtime_service.gateway.wires.google import GoogleWire
from agent_runtime_service.gateway.wires.ollama import OllamaWire
from agent_runtime_service.gateway.wires.openai import COMPLETIONS, OPENAI_WIRE
from agent_runtime_service.gateway.wires.wire import Wire
from kgents_shared.errors import NotFound

DEFAULT_BASE_URL: Final = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class ProviderKind:
    """A provider as the platform knows it.

    `base_url` is where it is unless somebody says otherwise, None where somebody must. `native` is its own wire where
    that isn't OpenAI's; `openai_path` leads to where it takes that one all the same. `how` are the settings of the
    operator's account, if it may have one, `model` what is asked where nobody names a model; `local` is one that costs
    nothing to ask; where `is_operators` is false, only credentials of agents lead there.
    """

    name: str
    base_url: str | None
    how: str
    native: Wire | None = None
    openai_path: str = ""
    model: str | None = None
    local: bool = False
    is_operators: bool = True

    def account(self, base_url: str, api_key: str | None, credential: str | None = None) -> Account:
        """An account at this provider; `credential` is what it is called in a refusal, where it isn't the operator's"""
        told = {} if credential is None else {"credential": credential}
        return Account(self.name, base_url, api_key, self.native, self.openai_path, **told)


KINDS: Final[Mapping[str, ProviderKind]] = {
    kind.name: kind
    for kind in (
        ProviderKind("openai", DEFAULT_BASE_URL, "OPENAI_API_KEY or OPENAI_BASE_URL"),
        ProviderKind(
            "anthropic",
            "https://api.anthropic.com",
            "ANTHROPIC_API_KEY",
            native=AnthropicWire(),
            openai_path="/v1",
            model="claude-haiku-4-5",
        ),
        ProviderKind(
            "google",
            "https://generativelanguage.googleapis.com",
            "GOOGLE_API_KEY",
            native=GoogleWire(),
            openai_path="/v1beta/openai",
            model="gemini-2.5-flash",
        ),
        ProviderKind(
            "ollama",
            None,
            "OLLAMA_BASE_URL",
            native=OllamaWire(),
            openai_path="/v1",
            model="llama3.2",
            local=True,
        ),
        ProviderKind("localai", None, "LOCALAI_BASE_URL", model="gpt-4", local=True),
        ProviderKind("openai-compatible", None, "", is_operators=False),
    )
}
"""By name, in the order in which the first one that is configured becomes the platform's default."""


def wire_at(provider: str, path: str) -> Wire:
    """The wire that has the path, of those that the provider takes: OpenAI's, and its own. Raises `NotFound`."""
    if path == COMPLETIONS:
        return OPENAI_WIRE
    kind = KINDS.get(provider)
    if kind is None or kind.native is None or not kind.native.takes(path):
        raise NotFound("Of a provider's wire only the path that generates passes here.")
    return kind.native


@dataclass(frozen=True, slots=True)
class OperatorAccount:
    """What settings say of one provider. `is_set` says that they say something."""

    base_url: str | None
    api_key: str | None
    model: str | None

    @property
    def is_set(self) -> bool:
        """Whether the operator has an account there."""
        return bool(self.base_url or self.api_key)


def operators_accounts(setting: Callable[[str], str | None]) -> dict[str, OperatorAccount]:
    """The accounts that settings tell of, which `setting` gives by their names in the environment."""
    return {
        name: OperatorAccount(
            base_url=setting(f"{name.upper()}_BASE_URL"),
            api_key=setting(f"{name.upper()}_API_KEY"),
            model=setting(f"{name.upper()}_MODEL"),
        )
        for name, kind in KINDS.items()
        if kind.is_operators
    }


def model_defaults(accounts: Mapping[str, OperatorAccount], model: str) -> ModelDefaults:
    """Who answers where nothing is said; `model` is OpenAI's."""
    models = {name: accounts[name].model or KINDS[name].model for name in accounts if name != "openai"}
    return ModelDefaults(default_provider(accounts), model, {name: value for name, value in models.items() if value})


def default_provider(accounts: Mapping[str, OperatorAccount]) -> str:
    """Who answers by default: the first provider that a setting says how to reach, else the built-in echo."""
    return next((name for name in KINDS if name in accounts and accounts[name].is_set), "echo")


def operators_providers(
    accounts: Mapping[str, OperatorAccount], session: aiohttp.ClientSession, limits: ProviderLimits
) -> dict[str, Provider]:
    """The providers that the operator has an account at, and the echo."""
    found: dict[str, Provider] = {"echo": EchoProvider()}
    for name, account in accounts.items():
        base_url = account.base_url or KINDS[name].base_url
        if base_url is not None and account.is_set:
            found[name] = HttpProvider(session, KINDS[name].account(base_url, account.api_key), limits)
    return found
