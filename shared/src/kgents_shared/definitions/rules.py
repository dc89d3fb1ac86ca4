"""What holds between the fields of a definition: contradictions, which are faults, and what is likely a mistake.

A warning never keeps a definition from being taken: it tells what the author may not expect.
"""

import re
from collections.abc import Iterator, Sequence
from typing import cast

from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.tool_patterns import CAPABILITY, matching
from kgents_shared.definitions.suggestions import near
from kgents_shared.errors import FaultItem

# OpenAI's names. Any other name may stand too (servers that speak its wire have their own): only near misses are told.
KNOWN_MODELS = (
    "gpt-5", "gpt-5-mini", "gpt-5-nano", "gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano", "gpt-4o", "gpt-4o-mini", "o1", "o3",
    "o3-mini", "o4-mini", "gpt-4-turbo", "gpt-3.5-turbo",
)  # fmt: skip
_REASONING = re.compile(r"(?:o[134]|gpt-5)(?:-.*)?")
_LONG_PROMPT = 32_000
_CHARS_A_TOKEN = 4
_FEW_TOKENS = 16
# Bidirectional controls turn a line around, tags are never shown: both hide from people what a model reads.
_HIDDEN = re.compile("[\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]")


def contradictions(spec: AgentSpec) -> list[FaultItem]:
    """Faults of fields that are each right by themselves."""
    allow, deny = spec.tools.allow, spec.tools.deny
    if allow and all(matching(pattern, deny) for pattern in allow):
        hint = "take them out of deny, or leave both lists empty: an agent without tools has neither"
        return [FaultItem(("tools", "deny"), "denies every tool that allow names", "no_tool_left", hint)]
    return []


def warnings_of(spec: AgentSpec, value: object = None) -> list[FaultItem]:
    """What is likely a mistake; `value` is the document that the spec came from."""
    return [
        *_about_model(spec, value),
        *_about_accounts(spec),
        *_about_tools(spec),
        *_about_limits(spec),
        *_about_texts(spec),
    ]


def _about_model(spec: AgentSpec, value: object) -> Iterator[FaultItem]:
    llm = spec.llm
    fields = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    table = fields.get("llm")
    if "llm_provider" in fields and isinstance(table, dict) and "provider" in table:
        yield FaultItem(("llm_provider",), "is given in [llm] as well", "given_twice", "keep one of them")
    if llm.provider == "echo":
        for name in ("model", "temperature", "max_tokens"):
            if getattr(llm, name) is not None:
                hint = "leave it out, or name another provider"
                yield FaultItem(("llm", name), "means nothing to the built-in echo", "ignored_by_echo", hint)
        return
    if llm.model is None:
        return
    if llm.temperature is not None and _REASONING.fullmatch(llm.model):
        msg = f"is not taken by {llm.model}, a reasoning model: the provider may refuse each message"
        yield FaultItem(("llm", "temperature"), msg, "temperature_not_taken", "leave temperature out")
    meant = _misspelt_model(llm.model)
    if meant is not None:
        yield FaultItem(("llm", "model"), "is no model's name that is known here", "unknown_model", meant)


def _about_accounts(spec: AgentSpec) -> Iterator[FaultItem]:
    named = [
        (("llm",), spec.llm),
        *((("llm", "fallbacks", number), one) for number, one in enumerate(spec.llm.fallbacks)),
    ]
    for place, choice in named:
        if choice.provider == "openai-compatible" and choice.credential_ref is None:
            msg = "has no address but a credential's, and none is named: it can't be asked"
            yield FaultItem(
                (*place, "provider"), msg, "provider_without_address", "name a credential in credential_ref"
            )


def _misspelt_model(model: str) -> str | None:
    """A hint for what is nearly a known name. Another number in one is a newer model, not a slip of the pen."""
    if re.sub(r"\d", "", model) in {re.sub(r"\d", "", known) for known in KNOWN_MODELS}:
        return None
    return near(model.lower(), KNOWN_MODELS, cutoff=0.85)


def _about_tools(spec: AgentSpec) -> Iterator[FaultItem]:
    allow, deny = spec.tools.allow, spec.tools.deny
    for name, patterns in (("allow", allow), ("deny", deny)):
        yield from _covered(name, patterns)
    for place, pattern in enumerate(allow):
        if set(pattern) <= {"*", "."}:
            msg = "allows every tool, also those that are registered later"
            hint = 'name the servers that the agent needs: "server.*"'
            yield FaultItem(("tools", "allow", place), msg, "allows_every_tool", hint)
        if (denied := matching(pattern, deny)) is not None:
            msg = f"is denied by {denied}: deny wins"
            yield FaultItem(("tools", "allow", place), msg, "denied_anyway", "take it out of one of the lists")
    for place, pattern in enumerate(deny):
        if all(_apart(pattern, allowed) for allowed in allow):
            msg = "denies nothing that is allowed" if allow else "denies nothing: no tool is allowed"
            hint = "leave it out; what allow doesn't name is never called"
            yield FaultItem(("tools", "deny", place), msg, "idle_deny", hint)


def _covered(name: str, patterns: Sequence[str]) -> Iterator[FaultItem]:
    seen = set[str]()
    wide = [(other.partition("*")[0], other) for other in patterns if "*" in other]
    for place, pattern in enumerate(patterns):
        if pattern in seen:
            msg, hint = "is given twice", "keep one of them"
            yield FaultItem(("tools", name, place), msg, "repeated_tool_pattern", hint)
            continue
        seen.add(pattern)
        wider = matching(pattern, [other for start, other in wide if pattern.startswith(start) and other != pattern])
        if wider is not None:
            yield FaultItem(
                ("tools", name, place), f"says nothing beyond {wider}", "covered_tool_pattern", "leave it out"
            )


def _apart(one: str, other: str) -> bool:
    """Whether surely no name matches both patterns. What a capability stands for isn't known here."""
    if one.startswith(CAPABILITY) or other.startswith(CAPABILITY):
        return False
    if "*" not in one:
        return matching(one, [other]) is None
    if "*" not in other:
        return matching(other, [one]) is None
    starts, ends = (one.partition("*")[0], other.partition("*")[0]), (one.rpartition("*")[2], other.rpartition("*")[2])
    return not _begins_alike(*starts) or not _begins_alike(ends[0][::-1], ends[1][::-1])


def _begins_alike(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _about_limits(spec: AgentSpec) -> Iterator[FaultItem]:
    limits = spec.limits
    if limits.max_steps == 1 and spec.tools.allow:
        msg = "leaves no step for an answer once a tool was called"
        yield FaultItem(("limits", "max_steps"), msg, "no_step_for_answer", "choose 2 or more")
    if limits.timeout_s < limits.max_steps:
        msg = f"is too short for {limits.max_steps} steps: a model takes about a second for each"
        hint = f"choose {limits.max_steps} or more, or fewer steps"
        yield FaultItem(("limits", "timeout_s"), msg, "timeout_before_steps", hint)
    if spec.llm.max_tokens is not None and spec.llm.max_tokens < _FEW_TOKENS and spec.llm.provider != "echo":
        msg = "cuts every answer after a few words"
        yield FaultItem(("llm", "max_tokens"), msg, "answers_cut_short", "choose more, or leave it out")


def _about_texts(spec: AgentSpec) -> Iterator[FaultItem]:
    if not spec.system_prompt.strip():
        hint = "say who the agent is and how it should behave"
        yield FaultItem(("system_prompt",), "holds nothing but blanks", "blank_prompt", hint)
    if len(spec.system_prompt) > _LONG_PROMPT:
        msg = f"is long: about {len(spec.system_prompt) // _CHARS_A_TOKEN} tokens, paid for at each step"
        yield FaultItem(("system_prompt",), msg, "long_prompt", "shorten it, or keep facts where a tool can look")
    for name in ("system_prompt", "description"):
        found = _HIDDEN.search(getattr(spec, name))
        if found is not None:
            msg = f"has an invisible character (U+{ord(found[0]):04X}), which a model reads and a person doesn't see"
            yield FaultItem((name,), msg, "hidden_character", "take it out, unless you know what it is for")
