"""What other services are told of a run's end, and of its waiting (CloudEvents 1.0)."""

from datetime import UTC, datetime
from uuid import UUID

import orjson

from agent_runtime_service.execution.active import ActiveRun, RunEnd
from agent_runtime_service.metadata import SCHEMA


def run_event(event_id: UUID, run: ActiveRun, end: RunEnd) -> str:
    """The JSON of `run.completed`, `run.failed`, `run.cancelled` or `run.waiting_approval`.

    Data: run_id, conversation_id, owner_id, agent_id, agent_name, version, status, usage, error (a code or null). No
    text: what was said stays in this service. Written by hand, since a model's validation is felt on the hot path; a
    test reads it as a `CloudEvent`.
    """
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": event_id,
            "source": f"/kgents/{SCHEMA}",
            "type": f"run.{end.status}",
            "subject": str(run.run_id),
            "time": datetime.now(UTC),
            "datacontenttype": "application/json",
            "data": {
                "run_id": run.run_id,
                "conversation_id": run.conversation_id,
                "owner_id": run.owner_id,
                "agent_id": run.agent_id,
                "agent_name": run.agent_name,
                "version": run.version,
                "status": end.status,
                "usage": run.usage.as_json(),
                "error": end.fault.code if end.fault is not None else None,
            },
        }
    ).decode()
