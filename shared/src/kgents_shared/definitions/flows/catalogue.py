"""The components that the pinned version of Langflow has, by name and by their code."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True)
class Catalogue:
    """`components`: the SHA-256 of each component's code by its name, `by_code` the other way round.

    `run_code` are those that run what people or models write. `elsewhere` are Langflow's components that come in
    packages of their own, not with this one.
    """

    version: str
    components: Mapping[str, str]
    by_code: Mapping[str, str]
    run_code: frozenset[str]
    other_names: Mapping[str, str]
    elsewhere: frozenset[str]

    def of_code(self, code: str) -> str | None:
        """The component that has this very code; an editor may have taken the break after its last line."""
        return self.by_code.get(_digest(code)) or self.by_code.get(_digest(f"{code}\n"))

    def named(self, kind: str) -> str | None:
        """The component of this name, which may be one that it had in older versions."""
        name = self.other_names.get(kind, kind)
        return name if name in self.components else None


TOOLS_COMPONENT = "KgentsTools"


def tools_component() -> str:
    """The platform's own component for Langflow, as Python."""
    return _text("kgents_tools.txt")


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest()


def _text(name: str) -> str:
    return resources.files("kgents_shared.definitions.flows").joinpath(name).read_text("utf-8")


@cache
def catalogue() -> Catalogue:
    """The committed one, which `making_catalogue` made, and the platform's own component."""
    table: dict[str, Any] = json.loads(_text("components.json"))
    table["components"][TOOLS_COMPONENT] = _digest(tools_component())
    return Catalogue(
        version=table["version"],
        components=table["components"],
        by_code={digest: name for name, digest in table["components"].items()},
        run_code=frozenset(table["run_code"]),
        other_names=table["other_names"],
        elsewhere=frozenset(table["elsewhere"]),
    )
