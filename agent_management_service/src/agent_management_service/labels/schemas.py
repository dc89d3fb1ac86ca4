"""What the labels' API takes and answers."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, Field

from agent_management_service.agents.models import AgentRow
from agent_management_service.publishing.schemas import MAX_VERSION
from kgents_shared.contracts.model import Contract


class LabelName(StrEnum):
    """The labels that there are."""

    STABLE = "stable"
    """Answers who asks for no version; without it, the version in force does."""
    CANARY = "canary"
    """Runs beside it, for its share of the new conversations and for who asks for it."""


class LabelChange(Contract):
    """Which version gets a label. `share`, the percentage of new conversations, is the canary's alone."""

    version: Annotated[int, Field(ge=1, le=MAX_VERSION, strict=True)]
    share: Annotated[int, Field(ge=0, le=100, strict=True)] | None = None


class Label(BaseModel):
    """A label. `share` is the percentage of new conversations that begin with its version."""

    label: LabelName
    version: int
    share: int


def labels_of(row: AgentRow) -> list[Label]:
    """The labels that are set."""
    found: list[Label] = []
    if row.stable_version is not None:
        found.append(Label(label=LabelName.STABLE, version=row.stable_version, share=100 - row.canary_share))
    if row.canary_version is not None:
        found.append(Label(label=LabelName.CANARY, version=row.canary_version, share=row.canary_share))
    return found
