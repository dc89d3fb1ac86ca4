"""An `AgentSpec` as TOML that a person reads: what differs from the defaults, long texts over several lines."""

from typing import Any

from kgents_shared.contracts.agent_spec import AgentSpec


def to_toml(spec: AgentSpec) -> str:
    """A text that compiles to this very spec again."""
    import tomli_w  # noqa: PLC0415 -- definitions are read far more often than written

    table = _without_none(spec.model_dump(mode="json", exclude_defaults=True))
    # What stands over several lines is read with \n at each line's end: other line ends have to be escaped.
    texts = (spec.system_prompt, spec.description, spec.llm.model or "")
    return tomli_w.dumps(table, multiline_strings=not any("\r\n" in text for text in texts))


def _without_none(table: dict[str, Any]) -> dict[str, Any]:
    """TOML has no null; where a definition may hold one, leaving the field out says the same."""
    return {
        name: _without_none(value) if isinstance(value, dict) else value
        for name, value in table.items()
        if value is not None
    }
