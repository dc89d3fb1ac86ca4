"""Workers out of a process that has the worker imported: `python -m tests.external.worker_nursery`.

It stands where the deployment service's fork server does, without the sandbox.
"""

from __future__ import annotations

import os
from pathlib import Path

from agent_worker.main import serve
from kgents_shared.contracts.worker import WorkerConfig
from tests.external.nursery import Nursery, Request, fork_for_each_line


class WorkerNursery(Nursery):
    """The test's side of it."""

    def __init__(self) -> None:
        super().__init__("tests.external.worker_nursery")

    async def start_worker(self, config: WorkerConfig, log: Path) -> int:
        """Fork a worker; its pid."""
        return await self.fork({"config": config.model_dump(mode="json"), "log": str(log)})


def _become_worker(request: Request) -> None:
    with Path(request["log"]).open("ab") as file:
        os.dup2(file.fileno(), 2)
    serve(WorkerConfig.model_validate(request["config"]))


if __name__ == "__main__":
    fork_for_each_line(_become_worker)
