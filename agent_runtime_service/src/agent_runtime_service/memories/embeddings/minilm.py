"""all-MiniLM-L6-v2 from a local directory, by numpy alone: a BERT of six layers whose outputs are averaged.

The directory has `config.json`, `vocab.txt` and `model.safetensors` as their publishers ship them.
"""

import json
import math
import mmap
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_runtime_service.memories.embeddings.embedder import Vector, vector_of
from agent_runtime_service.memories.embeddings.wordpiece import WordPieces

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

FILES = ("config.json", "vocab.txt", "model.safetensors")
_MOST_PIECES = 256  # what the model was trained with (sentence_bert_config.json)
_BATCH = 16


class NotAModel(ValueError):
    """The directory doesn't hold a model that this can run; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class _Shape:
    layers: int
    heads: int
    width: int
    epsilon: float


class MiniLm:
    """The model. Its weights are mapped, not read: processes share them, and what isn't used takes no memory."""

    def __init__(self, folder: Path) -> None:
        missing = [name for name in FILES if not (folder / name).is_file()]
        if missing:
            raise NotAModel(f"{folder} has no {', '.join(missing)}")
        self._folder = folder
        self._shape = _shape(folder / "config.json")
        self._pieces = WordPieces(folder / "vocab.txt")

    @cached_property
    def _weights(self) -> "dict[str, Array]":
        return _tensors(self._folder / "model.safetensors")

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """A vector for each text, of its first 256 pieces of words."""
        ids = [self._pieces.ids(text, _MOST_PIECES) for text in texts]
        found: dict[int, Vector] = {}
        order = sorted(range(len(ids)), key=lambda place: len(ids[place]))
        for start in range(0, len(order), _BATCH):
            places = order[start : start + _BATCH]
            found.update(zip(places, self._batch([ids[place] for place in places]), strict=True))
        return [found[place] for place in range(len(ids))]

    def _batch(self, ids: list[list[int]]) -> list[Vector]:
        import numpy as np  # noqa: PLC0415 -- takes 100 ms, and a platform without this model never needs it

        longest = max(map(len, ids))
        tokens = np.zeros((len(ids), longest), dtype=np.int64)
        here = np.zeros((len(ids), longest), dtype=np.float32)
        for row, numbers in enumerate(ids):
            tokens[row, : len(numbers)] = numbers
            here[row, : len(numbers)] = 1
        weights = self._weights
        hidden = (
            weights["embeddings.word_embeddings.weight"][tokens]
            + weights["embeddings.position_embeddings.weight"][:longest]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        hidden = self._normal(hidden, "embeddings.LayerNorm")
        unseen = ((1 - here) * np.float32(-1e9))[:, None, None, :]
        for layer in range(self._shape.layers):
            hidden = self._layer(hidden, unseen, f"encoder.layer.{layer}")
        means = (hidden * here[:, :, None]).sum(axis=1) / here.sum(axis=1, keepdims=True)
        return [vector_of(mean.tolist()) for mean in means]

    def _layer(self, hidden: "Array", unseen: "Array", name: str) -> "Array":
        import numpy as np  # noqa: PLC0415 -- see above

        texts, length, width = hidden.shape
        heads, size = self._shape.heads, width // self._shape.heads
        query, key, value = (
            self._linear(hidden, f"{name}.attention.self.{part}")
            .reshape(texts, length, heads, size)
            .transpose(0, 2, 1, 3)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 1, 3, 2) / np.float32(math.sqrt(size)) + unseen
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        seen = (scores @ value).transpose(0, 2, 1, 3).reshape(texts, length, width)
        hidden = self._normal(
            hidden + self._linear(seen, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm"
        )
        inner = _gelu(self._linear(hidden, f"{name}.intermediate.dense"))
        return self._normal(hidden + self._linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _linear(self, hidden: "Array", name: str) -> "Array":
        # One product over all texts: numpy would make one for each.
        weight = self._weights[f"{name}.weight"]
        product = hidden.reshape(-1, hidden.shape[-1]) @ weight.T
        product += self._weights[f"{name}.bias"]
        return product.reshape(*hidden.shape[:-1], weight.shape[0])

    def _normal(self, hidden: "Array", name: str) -> "Array":
        import numpy as np  # noqa: PLC0415 -- see above

        centred = hidden - hidden.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + np.float32(self._shape.epsilon))
        return centred / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


def _gelu(given: "Array") -> "Array":
    """x·Φ(x) by Abramowitz and Stegun's formula 7.1.26 for erf, which is off by at most 1.5e-7."""
    import numpy as np  # noqa: PLC0415 -- see above

    size = np.abs(given) * np.float32(math.sqrt(0.5))
    t = 1 / (1 + np.float32(0.3275911) * size)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    erf = np.copysign(1 - series * np.exp(-size * size), given)
    return given * 0.5 * (1 + erf)


def _shape(file: Path) -> _Shape:
    try:
        config: dict[str, Any] = json.loads(file.read_text("utf-8"))
        shape = _Shape(
            int(config["num_hidden_layers"]), int(config["num_attention_heads"]), int(config["hidden_size"]),
            float(config["layer_norm_eps"]),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise NotAModel(f"{file} can't be read: {error!r}") from error
    if config.get("model_type") != "bert" or config.get("hidden_act") != "gelu":
        raise NotAModel(f"{file} describes no BERT with GELU, which is all that is run here")
    return shape


def _tensors(file: Path) -> "dict[str, Array]":
    """The tensors of a safetensors file: a length, a JSON header, the numbers."""
    import numpy as np  # noqa: PLC0415 -- see above

    with file.open("rb") as opened:
        mapped = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        (size,) = struct.unpack_from("<Q", mapped)
        header: dict[str, Any] = json.loads(mapped[8 : 8 + size])
        numbers = np.frombuffer(mapped, dtype=np.uint8, offset=8 + size)
        found: dict[str, Array] = {}
        for name, entry in header.items():
            if name == "__metadata__" or entry["dtype"] != "F32":
                continue
            first, last = entry["data_offsets"]
            found[name.removeprefix("bert.")] = numbers[first:last].view("<f4").reshape(entry["shape"])
    except (ValueError, KeyError, TypeError, struct.error) as error:
        raise NotAModel(f"{file} is no safetensors file that can be read: {error!r}") from error
    return found
