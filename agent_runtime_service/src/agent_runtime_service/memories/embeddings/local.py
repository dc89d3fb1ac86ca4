"""Models that run here: in one thread of their own, loaded when they are first needed."""

import asyncio
import importlib
import importlib.util
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from agent_runtime_service.budgets.book import Payer
from agent_runtime_service.memories.embeddings.embedder import Vector, vector_of
from agent_runtime_service.memories.embeddings.minilm import MiniLm
from kgents_shared.errors import Unavailable

MODEL = "all-MiniLM-L6-v2"
_FASTEMBED_NAME = f"sentence-transformers/{MODEL}"
_NOT_AGAIN_S = 60.0
_MOST_CHARS = 4_000  # far more than the 256 pieces of words that the model reads
Run = Callable[[Sequence[str]], list[Vector]]


class LocalEmbedder:
    """A model in this process; `load` is called once, in its thread."""

    def __init__(self, model: str, load: Callable[[], Run]) -> None:
        self.model = model
        self._load = load
        self._run: Run | None = None
        self._fault: tuple[float, str] | None = None
        # One thread, and one of the mathematics' below it: the machine's other processors are the agents'.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kgents-embedding")

    async def embed(self, texts: Sequence[str], payer: Payer) -> list[Vector]:
        """See `Embedder.embed`."""
        if self._fault is not None and self._fault[0] > time.monotonic():
            raise _away(self.model, self._fault[1])
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._embed, list(texts))

    def _embed(self, texts: list[str]) -> list[Vector]:
        if self._run is None:
            os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
            try:
                self._run = self._load()
            except Exception as error:  # of whatever libraries the model runs on
                # A download that fails takes its time; searches by words shall not wait for it each time.
                self._fault = (time.monotonic() + _NOT_AGAIN_S, str(error)[:300])
                raise _away(self.model, self._fault[1]) from error
        return self._run([text[:_MOST_CHARS] for text in texts])

    async def close(self) -> None:
        """Take no more texts."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _away(model: str, why: str) -> Unavailable:
    return Unavailable(f"The model {model} can't be loaded: {why}", code="embeddings_away", retry_after_s=30)


def minilm(folder: Path) -> LocalEmbedder:
    """all-MiniLM-L6-v2 from a directory, by numpy."""
    return LocalEmbedder(f"minilm/{MODEL}", lambda: MiniLm(folder).embed)


def fastembed_installed() -> bool:
    """Whether the package `fastembed` is there, which downloads its models itself."""
    return importlib.util.find_spec("fastembed") is not None


def fastembed(name: str | None, folder: Path | None) -> LocalEmbedder:
    """A model of fastembed's, from a directory or downloaded into its own cache."""
    name = name or _FASTEMBED_NAME

    def load() -> Run:
        library: Any = importlib.import_module("fastembed")
        where = {} if folder is None else {"specific_model_path": str(folder)}
        model: Any = library.TextEmbedding(model_name=name, threads=1, **where)

        def run(texts: Sequence[str]) -> list[Vector]:
            made: Iterable[Any] = model.embed(list(texts))
            return [vector_of(values.tolist()) for values in made]

        return run

    return LocalEmbedder(f"fastembed/{name.rpartition('/')[2]}", load)
