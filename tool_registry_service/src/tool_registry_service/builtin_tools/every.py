"""Every builtin tool, made of what it needs."""

from dataclasses import dataclass
from typing import Self

from kgents_shared.db import HotPool
from kgents_shared.http.client import ServiceClient
from tool_registry_service.builtin_tools.asking import AgentAsking, CapabilityAsking, QuestionsUnderWay
from tool_registry_service.builtin_tools.builtin import BuiltinTools
from tool_registry_service.builtin_tools.clock import Clock
from tool_registry_service.builtin_tools.fetching import HttpFetch
from tool_registry_service.builtin_tools.memory import memory_tools
from tool_registry_service.builtin_tools.readable import PageReader
from tool_registry_service.builtin_tools.runtime import HttpRuntime
from tool_registry_service.builtin_tools.scratch import FileLister, FileReader, FileRemover, FileWriter
from tool_registry_service.builtin_tools.scratch_age import ScratchAge
from tool_registry_service.builtin_tools.scratch_rows import FolderQuota, ScratchRepository
from tool_registry_service.settings import ToolsSettings


@dataclass(frozen=True, slots=True)
class BuiltinParts:
    """The builtin tools, and what has to run and to be closed for them."""

    tools: BuiltinTools
    scratch_age: ScratchAge
    pages: PageReader

    @classmethod
    def of(cls, settings: ToolsSettings, pool: HotPool, runtime: ServiceClient) -> Self:
        """As the operator set it."""
        quota = FolderQuota(
            settings.files_max_bytes, settings.files_per_conversation, settings.files_conversation_bytes
        )
        files, pages, asked = ScratchRepository(pool, quota), PageReader(), HttpRuntime(runtime)
        under_way = QuestionsUnderWay()
        tools = BuiltinTools((
            Clock(), HttpFetch(settings, pages), FileWriter(files), FileReader(files), FileLister(files),
            FileRemover(files), *memory_tools(asked),
            AgentAsking(asked, under_way), CapabilityAsking(asked, under_way),
        ))  # fmt: skip
        return cls(tools, ScratchAge(files, settings.files_kept_days), pages)
