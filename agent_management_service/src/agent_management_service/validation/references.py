"""Whether the credentials, providers and agents that a definition names are there, and of use to it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from kgents_shared.contracts.agent_spec import AgentSpec, FallbackSpec, LlmSpec
from kgents_shared.contracts.credentials import KnownCredential
from kgents_shared.definitions.suggestions import near
from kgents_shared.errors import FaultItem

_OPENAI_WIRE: Final = frozenset({"openai", "openai-compatible", "localai"})
# What an agent elsewhere may be shown.
_OF_REMOTE: Final = frozenset({"llm_provider", "generic", "platform"})
_CREATE: Final = "make one with `kgents credentials create`, and name its reference"
Loc = tuple[str | int, ...]


def credentials_named(spec: AgentSpec) -> dict[Loc, str]:
    """The references of a definition, by their places."""
    named: dict[Loc, str | None] = {
        (*place, "credential_ref"): choice.credential_ref for place, choice in _models(spec)
    }
    if spec.runtime.remote is not None:
        named["runtime", "remote", "credential_ref"] = spec.runtime.remote.credential_ref
    return {place: ref for place, ref in named.items() if ref is not None}


def credential_warnings(spec: AgentSpec, known: Sequence[KnownCredential]) -> Iterator[FaultItem]:
    """A warning for each reference that is no credential of the owner, or one that its place has no use for."""
    by_ref = {credential.credential_ref: credential for credential in known}
    choices: dict[Loc, LlmSpec | FallbackSpec] = {(*place, "credential_ref"): choice for place, choice in _models(spec)}
    for place, ref in credentials_named(spec).items():
        credential, choice = by_ref.get(ref), choices.get(place)
        if credential is None:
            msg = "is no credential of this owner: without it, messages to the agent fail"
            yield FaultItem(place, msg, "credential_not_found", "see yours with `kgents credentials list`")
        elif choice is None:
            if credential.type not in _OF_REMOTE:
                msg = f"is of the type {credential.type}, which is shown to no agent elsewhere"
                yield FaultItem(place, msg, "credential_of_other_kind", "name one of the type generic")
        elif why := _why_not(credential, choice.provider or "openai"):
            yield FaultItem(place, why, "credential_of_other_kind", _CREATE)


def providers_named(spec: AgentSpec) -> dict[Loc, str]:
    """The providers that are to be asked by the platform's account, by their places."""
    named = {
        (*place, "provider"): choice.provider
        for place, choice in _models(spec)
        if choice.credential_ref is None and choice.provider not in ("echo", "openai-compatible")
    }
    return {place: provider for place, provider in named.items() if provider is not None}


def provider_warnings(spec: AgentSpec, known: Collection[str]) -> Iterator[FaultItem]:
    """A warning for each provider that neither a credential nor the platform's own account leads to."""
    for place, provider in providers_named(spec).items():
        if provider not in known:
            msg = f"names {provider}, where this platform has no account: without one, it gives no answer"
            hint = "name a credential of yours in credential_ref, or ask the operator"
            yield FaultItem(place, msg, "provider_without_account", hint)


def members_named(spec: AgentSpec) -> list[str]:
    """The agents of a team."""
    return [] if spec.team is None else [member.agent for member in spec.team.members]


def member_warnings(spec: AgentSpec, statuses: Mapping[str, str], others: Sequence[str]) -> Iterator[FaultItem]:
    """A warning for each member that isn't there, or doesn't answer; `others` are agents that may be meant."""
    for number, name in enumerate(members_named(spec)):
        place = ("team", "members", number, "agent")
        status = statuses.get(name)
        if status is None:
            hint = near(name, others) or "make and publish it: until then the team fails where it needs it"
            yield FaultItem(place, f"names {name}, which is no agent of this owner", "member_not_found", hint)
        elif status != "published":
            state = "a draft that was never published" if status == "draft" else status
            hint = f"publish it with `kgents agents publish {name}`"
            yield FaultItem(place, f"names {name}, which is {state}", "member_not_published", hint)


def _models(spec: AgentSpec) -> Iterator[tuple[Loc, LlmSpec | FallbackSpec]]:
    if spec.runtime.shell == "Chat":
        yield ("llm",), spec.llm
        for number, fallback in enumerate(spec.llm.fallbacks):
            yield ("llm", "fallbacks", number), fallback


def _why_not(credential: KnownCredential, provider: str) -> str | None:
    """Why a model's provider isn't asked with this credential."""
    told = credential.provider
    if provider == "echo":
        return "is of no use to the built-in echo, which takes no credential"
    if credential.type != "llm_provider":
        return f"is of the type {credential.type}, and a model takes one of the type llm_provider"
    if told not in (None, provider) and not {told, provider} <= _OPENAI_WIRE:
        return f"is for the provider {told}, not for {provider}"
    if provider == "openai-compatible" and not credential.has_address:
        return "names no base_url, and nothing else says where the provider is"
    return None
