"""What a WASM server may use, and what it is granted beside its own memory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from kgents_shared.contracts.agent_spec import Text
from kgents_shared.contracts.model import Contract

EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
_MAX_ENV = 32
MAX_TIMEOUT_MS = 60_000


def _few(values: dict[str, str]) -> dict[str, str]:
    if len(values) > _MAX_ENV:
        raise PydanticCustomError("too_many", "takes at most 32 variables")
    return values


class WasmLimits(Contract):
    """What one call may use. `fuel` is about one for each instruction; `memory_mb` holds for each linear memory."""

    fuel: Annotated[int, Field(ge=10_000, le=1_000_000_000_000)] = 10_000_000_000
    memory_mb: Annotated[int, Field(ge=1, le=256)] = 64
    timeout_ms: Annotated[int, Field(ge=10, le=MAX_TIMEOUT_MS)] = 5_000

    @property
    def memory_bytes(self) -> int:
        """The bound of one linear memory."""
        return self.memory_mb * 1_048_576


class WasmGrants(Contract):
    """What a component gets of WASI beside standard output, which is kept for its faults. Nothing, unless named here.

    `clock`: what time it is (never sleeping); `random`: random numbers; `env`: these variables. Files and the network
    are never granted.
    """

    clock: bool = False
    random: bool = False
    env: Annotated[dict[EnvName, Annotated[Text, Field(max_length=1000)]], AfterValidator(_few)] = Field(
        default_factory=dict[str, str]
    )


@dataclass(frozen=True, slots=True)
class WasmRuntime:
    """What an operator gives all WASM tools of a process together. Without `cache_dir`, compiled code dies with it."""

    threads: int
    max_waiting: int
    cache_dir: Path | None
    max_cache_bytes: int
    max_loaded_bytes: int
    max_answer_bytes: int
    compile_timeout_s: float
    wait_s: float
    idle_unload_s: float
