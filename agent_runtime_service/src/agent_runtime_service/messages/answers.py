"""A run's end as the body of an answer."""

from typing import Any

from agent_runtime_service.execution.active import WAITING, RunEnd
from agent_runtime_service.messages.service import Accepted, Ended
from agent_runtime_service.runs.repository import output_of
from kgents_shared.errors import ApiError


def answer_body(accepted: Accepted, ended: Ended) -> dict[str, Any]:
    """The shape of `MessageAnswer`, or of `MessageWaiting`."""
    if ended.end.status == WAITING:
        return {
            "run_id": accepted.run_id,
            "conversation_id": accepted.conversation_id,
            "status": WAITING,
            "approvals": [approval.as_json() for approval in ended.end.approvals],
            "usage": ended.usage,
        }
    return {
        "run_id": accepted.run_id,
        "conversation_id": accepted.conversation_id,
        "status": ended.end.status,
        "text": ended.end.text,
        **({"output": output_of(ended.end.text)} if ended.is_formed else {}),
        "usage": ended.usage,
    }


class RunFailed(ApiError):
    """The run ended without an answer; status and code are its fault's."""


def failure_of(accepted: Accepted, end: RunEnd) -> ApiError:
    """The error that a waiting caller gets: the fault, and which run it was."""
    fault = end.fault
    if fault is None:
        raise ValueError("a completed run has no failure")
    kind = type("RunFailed", (RunFailed,), {"status": fault.status})
    headers = {"Retry-After": str(fault.retry_after_s)} if fault.retry_after_s is not None else None
    ids = {"run_id": str(accepted.run_id), "conversation_id": str(accepted.conversation_id), "run_status": end.status}
    return kind(fault.detail, code=fault.code, headers=headers, extra=ids)


def problem_of(accepted: Accepted, end: RunEnd) -> dict[str, Any]:
    """The same as the data of a `failed` event."""
    error = failure_of(accepted, end)
    return {**error.extra, "code": error.code, "detail": error.detail, "status": error.status}
