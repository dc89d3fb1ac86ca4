"""Leases kept alive, and the runs of fronts that died taken over."""

import asyncio
from collections.abc import Sequence
from typing import Any

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from agent_runtime_service.execution.active import ActiveRun, ActiveRuns
from agent_runtime_service.execution.driver import RunDriver
from agent_runtime_service.execution.repository import RunJournal
from agent_runtime_service.execution.retries import RetryPolicy
from kgents_shared.contracts.worker import Image, ToolDefinition

_log = structlog.get_logger("kgents.runtime.recovery")


class Recovery:
    """Two endless tasks of every front: `keep_leases` and `adopt_orphans`."""

    def __init__(self, journal: RunJournal, runs: ActiveRuns, driver: RunDriver) -> None:
        self._journal = journal
        self._runs = runs
        self._driver = driver

    async def keep_leases(self, every_s: float) -> None:
        """Renew what is driven here. Only what is in memory: a run whose beginning was lost must not live on."""
        while True:
            await asyncio.sleep(every_s)
            if run_ids := self._runs.ids():
                await self._journal.renew(run_ids)

    async def let_go(self) -> None:
        """At the end of this front: what it still drives is free for another at once."""
        if run_ids := self._driver.abandoned:
            try:
                await self._journal.release(run_ids)
            except (psycopg.Error, PoolTimeout) as error:
                _log.warning("leases_not_released", error=repr(error))

    async def adopt_orphans(self, every_s: float) -> None:
        """Take over runs whose lease ran out, now and then again and again."""
        while True:
            for row in await self._journal.adopt(self._runs.ids()):
                run = driven_run(row)
                _log.info("run_adopted", run_id=str(run.run_id), epoch=run.epoch, queued=run.queued)
                if not run.queued:
                    await self._journal.read_transcript(run)
                    await self._journal.read_usage(run)
                self._driver.start(run)
            await asyncio.sleep(every_s)


def driven_run(row: Sequence[Any]) -> ActiveRun:
    """A run that was driven before, from the row that taking it over gave."""
    (run_id, conversation_id, owner_id, principal, agent_id, agent_name, version, status, epoch, attempts, text,
     timeout_s, age_s, lane, hops, retry, failed_tries, extras) = row  # fmt: skip
    run = ActiveRun(
        run_id=run_id,
        conversation_id=conversation_id,
        owner_id=owner_id,
        principal=principal,
        agent_id=agent_id,
        agent_name=agent_name,
        version=version,
        text=text,
        timeout_s=timeout_s,
        lane=lane,
        epoch=epoch,
        attempts=attempts,
        queued=status == "queued",
        hops=tuple(hops),
        retry=RetryPolicy.from_json(retry),
        failed_tries=failed_tries,
        images=tuple(Image(**image) for image in (extras or {}).get("images", ())),
        answer_schema=(extras or {}).get("answer_schema"),
        client_tools=tuple(ToolDefinition(**tool) for tool in (extras or {}).get("client_tools", ())),
    )
    run.deadline = asyncio.get_running_loop().time() + timeout_s - (age_s or 0)
    return run
