"""What is told of a task, in the shape of the protocol's version."""

import orjson
from a2a.compat.v0_3.conversions import to_compat_task
from a2a.types.a2a_pb2 import StreamResponse
from google.protobuf.json_format import MessageToDict

from agent_runtime_service.a2a_protocol.stored import StoredTask
from agent_runtime_service.a2a_protocol.telling import stored_task


def body_of(stored: StoredTask, *, is_old: bool) -> bytes:
    """The task as JSON: bare in version 0.3, as an event of a stream in 1.0."""
    task = stored_task(stored)
    if is_old:
        return to_compat_task(task).model_dump_json(by_alias=True, exclude_none=True).encode()
    return orjson.dumps(MessageToDict(StreamResponse(task=task)))
