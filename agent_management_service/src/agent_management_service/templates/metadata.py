"""What a template says of itself."""

from typing import Annotated

from pydantic import Field, StringConstraints

from kgents_shared.contracts.agent_spec import Description, Prompt, Text
from kgents_shared.contracts.model import Contract

Tag = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")]


class TemplateMetadata(Contract):
    """A template's `template.toml`.

    `version` is the template's own (semantic versioning); `needs_kgents` is the least version of the platform that runs
    it; `usage` are the commands to try and what to change first.
    """

    version: Annotated[str, StringConstraints(pattern=r"^(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})$")]
    author: Annotated[Text, Field(min_length=1, max_length=200)]
    description: Annotated[Description, Field(min_length=1)]
    usage: Prompt
    tags: Annotated[list[Tag], Field(max_length=20)] = Field(default_factory=list[Tag])
    needs_kgents: Annotated[str, StringConstraints(pattern=r"^\d{1,6}(\.\d{1,6}){0,2}$")] = "0.1"

    def runs_on(self, platform_version: str) -> bool:
        """Whether a platform of that version is new enough."""
        return _numbers(self.needs_kgents) <= _numbers(platform_version)


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, without its `.dev1` or `rc2`, filled up to three."""
    numbers: list[int] = []
    for part in version.split(".")[:3]:
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        numbers.append(int(digits or 0))
        if digits != part:
            break
    return (*numbers, 0, 0, 0)[:3]
