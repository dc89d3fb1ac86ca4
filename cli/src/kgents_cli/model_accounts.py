"""Which model's account this environment has, as a server that is started in it would find."""

from collections.abc import Mapping
from typing import Final

_PROVIDERS: Final = {
    "OPENAI": "the OpenAI API", "ANTHROPIC": "the Anthropic API", "GOOGLE": "the Gemini API", "OLLAMA": "Ollama",
    "LOCALAI": "LocalAI",
}  # fmt: skip
ADDRESSES: Final = tuple(f"{provider}_BASE_URL" for provider in _PROVIDERS)


def default_account(env: Mapping[str, str]) -> str | None:
    """Where agents that name no provider are answered, in words; None where that is the built-in echo.

    The first provider that a setting says how to reach, in the server's own order.
    """
    for provider, name in _PROVIDERS.items():
        address = env.get(f"{provider}_BASE_URL")
        if address or env.get(f"{provider}_API_KEY"):
            return address or name
    return None
