"""Foreign limits as ours: what is beyond the platform's own is brought within it, and told."""

from typing import Any

from kgents_cli.migration.fields import Fields
from kgents_cli.migration.models import number_in
from kgents_shared.contracts.agent_spec import LimitsSpec


def carry_steps(fields: Fields, *names: str) -> dict[str, int]:
    """The most model calls of a run as `limits.max_steps`."""
    return _within(fields, "max_steps", *names)


def carry_timeout(fields: Fields, *names: str) -> dict[str, int]:
    """The longest that a run may last, in seconds, as `limits.timeout_s`."""
    return _within(fields, "timeout_s", *names)


def carry_memory(fields: Fields, *names: str) -> dict[str, int]:
    """Megabytes of memory as `limits.memory_mb`."""
    return _within(fields, "memory_mb", *names)


def _within(fields: Fields, ours: str, *names: str) -> dict[str, int]:
    name = next((name for name in names if name in fields), names[0])
    value = number_in(fields, *names)
    if value is None:
        return {}
    low, high = _allowed(ours)
    nearest = min(max(round(value), low), high)
    if nearest != value:
        fields.change(name, "limit_changed", f"{value} becomes limits.{ours} = {nearest}: {low} to {high} are allowed")
    return {ours: nearest}


def _allowed(ours: str) -> tuple[int, int]:
    metadata: list[Any] = LimitsSpec.model_fields[ours].metadata
    low = next(bound.ge for bound in metadata if hasattr(bound, "ge"))
    high = next(bound.le for bound in metadata if hasattr(bound, "le"))
    return int(low), int(high)
