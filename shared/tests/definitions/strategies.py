"""Any definition that can be written."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.path_table import RESERVED_AGENT_NAMES

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True).filter(
    lambda name: name not in RESERVED_AGENT_NAMES
)
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=80)
LINES = st.lists(TEXTS | st.sampled_from(["\r", '"', '"""', "'''", "\\", "  ", "\t"]), max_size=6).map("\n".join)
WINDOWS_LINES = LINES.map(lambda text: text.replace("\n", "\r\n"))
PATTERNS = st.from_regex(r"[A-Za-z0-9_*-]{1,8}(\.[A-Za-z0-9_*-]{1,8}){0,2}", fullmatch=True)
CAPABILITIES = st.lists(st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,10}[a-z0-9])?", fullmatch=True), max_size=5, unique=True)
LLM = st.fixed_dictionaries(
    {},
    optional={
        "provider": st.sampled_from(["openai", "echo"]),
        "model": TEXTS.filter(bool),
        "temperature": st.floats(0, 2),
        "max_tokens": st.integers(1, 1_000_000),
    },
)
TOOLS = st.fixed_dictionaries(
    {}, optional={"allow": st.lists(PATTERNS, max_size=5), "deny": st.lists(PATTERNS, max_size=5)}
)
LIMITS = st.fixed_dictionaries(
    {},
    optional={
        "memory_mb": st.integers(64, 8192),
        "max_steps": st.integers(1, 100),
        "timeout_s": st.integers(1, 3600),
    },
)
DEFINITIONS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"name": NAMES, "system_prompt": (LINES | WINDOWS_LINES).filter(bool)},
    optional={
        "description": LINES,
        "capabilities": CAPABILITIES,
        "llm": LLM,
        "tools": TOOLS,
        "limits": LIMITS,
        "runtime": st.just({"shell": "Chat"}),
    },
)
SPECS: st.SearchStrategy[AgentSpec] = DEFINITIONS.map(AgentSpec.model_validate)
