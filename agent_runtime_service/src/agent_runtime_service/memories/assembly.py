"""Memory as the operator set it up: which backend, which model of embeddings, and what stands in for either."""

from pathlib import Path

import structlog

from agent_runtime_service.gateway.service import ModelGateway
from agent_runtime_service.instances.directory import InstanceDirectory
from agent_runtime_service.memories.backends.backend import MemoryBackend
from agent_runtime_service.memories.backends.postgres import PostgresVectors
from agent_runtime_service.memories.backends.qdrant import QdrantVectors
from agent_runtime_service.memories.copying import VectorCopying
from agent_runtime_service.memories.embeddings import local
from agent_runtime_service.memories.embeddings.cached import CachedEmbedder
from agent_runtime_service.memories.embeddings.embedder import Embedder
from agent_runtime_service.memories.embeddings.minilm import FILES
from agent_runtime_service.memories.embeddings.provider import DEFAULT_MODELS, ProviderEmbedder
from agent_runtime_service.memories.indexing import Indexer
from agent_runtime_service.memories.repository import MemoryRepository
from agent_runtime_service.memories.service import LEXICAL, MemoryService
from agent_runtime_service.settings import RuntimeSettings
from kgents_shared.db import HotPool
from kgents_shared.http.background import BackgroundTasks

_log = structlog.get_logger("kgents.runtime.memory")


class MemoryParts:
    """The parts of memory; `service` answers, `copying` takes vectors from one backend to another."""

    def __init__(
        self, pool: HotPool, gateway: ModelGateway, directory: InstanceDirectory, settings: RuntimeSettings
    ) -> None:
        embedder, why_not = _embedder(settings, gateway, directory)
        self._embedder = None if embedder is None else CachedEmbedder(embedder, pool, settings.embedding_cache_days)
        self._backends = _backends(pool, settings)
        chosen = self._backends[settings.memory_backend]
        self._indexer = Indexer(pool, self._embedder, chosen)
        rows = MemoryRepository(pool, settings.max_memories_of_agent, beside=chosen.name != PostgresVectors.name)
        self.service = MemoryService(rows, chosen, self._embedder, self._indexer, why_not)
        self.copying = VectorCopying(pool, self._backends, None if embedder is None else embedder.model)
        if embedder is None:
            _log.info("memory_by_words", why=why_not)

    def start(self, tasks: BackgroundTasks) -> None:
        """What runs beside requests."""
        tasks.start("runtime memory indexing", self._indexer.run)
        tasks.start("runtime memory copying", self.copying.run)

    async def close(self) -> None:
        """Let go of models and backends."""
        if self._embedder is not None:
            await self._embedder.close()
        for backend in self._backends.values():
            await backend.close()


def _backends(pool: HotPool, settings: RuntimeSettings) -> dict[str, MemoryBackend]:
    found: dict[str, MemoryBackend] = {"postgres": PostgresVectors(pool)}
    if settings.qdrant_url or settings.qdrant_path:
        key = settings.qdrant_api_key.get_secret_value() if settings.qdrant_api_key else None
        found["qdrant"] = QdrantVectors(settings.qdrant_url, key, settings.qdrant_path)
    return found


def _embedder(
    settings: RuntimeSettings, gateway: ModelGateway, directory: InstanceDirectory
) -> tuple[Embedder | None, str]:
    """The model of embeddings, or None and why there is none."""
    folder = Path(settings.embedding_dir) if settings.embedding_dir else None
    match settings.embeddings:
        case "auto" | "minilm" | "fastembed" | "lexical" as way:
            return _local(way, settings.embedding_model, folder)
        case provider:
            model = settings.embedding_model or DEFAULT_MODELS[provider]
            return ProviderEmbedder(gateway, directory, provider, model), ""


def _local(way: str, model: str | None, folder: Path | None) -> tuple[Embedder | None, str]:
    if way == "minilm" or (way == "auto" and folder is not None):
        missing = [name for name in FILES if folder is None or not (folder / name).is_file()]
        if folder is not None and not missing:
            return local.minilm(folder), ""
        return None, f"{LEXICAL} RUNTIME_EMBEDDING_DIR has no {', '.join(missing)}."
    if way == "fastembed" or (way == "auto" and local.fastembed_installed()):
        return local.fastembed(model, folder), ""
    return None, LEXICAL if way == "lexical" else f"{LEXICAL} `kgents memory install` sets one up."
