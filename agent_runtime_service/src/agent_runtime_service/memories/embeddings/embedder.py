"""What makes vectors of texts, as a Protocol. One conformance suite runs over every implementation."""

import hashlib
from array import array
from collections.abc import Sequence
from typing import Protocol, TypeAlias

from agent_runtime_service.budgets.book import Payer

Vector: TypeAlias = "array[float]"
"""float32 ("f"), of length 1."""


class Embedder(Protocol):
    """A model of embeddings. `model` names it and its way: vectors of one name can be compared with each other."""

    @property
    def model(self) -> str:
        """Its name, such as `minilm/all-MiniLM-L6-v2`."""
        ...

    async def embed(self, texts: Sequence[str], payer: Payer) -> list[Vector]:
        """A vector for each text, of the same dimensions always. Raises `ApiError` where it can't just now.

        What that takes is the payer's: of whose memories the texts are, which agent keeps them, and for whom.
        """
        ...

    async def close(self) -> None:
        """Let go of threads and connections."""
        ...


def vector_of(values: Sequence[float]) -> Vector:
    """Values as a vector of length 1; raises `ValueError` for what has no direction."""
    length = sum(value * value for value in values) ** 0.5
    if not 0 < length < float("inf"):
        raise ValueError("has no direction")
    return array("f", (value / length for value in values))


def content_hash(text: str) -> bytes:
    """What a text's vector is kept under."""
    return hashlib.sha256(text.encode()).digest()
