"""Bodies of the wrappers' API, as what the repository stores."""

from typing import cast

from fastapi import Request

from agent_management_service.kinds.bodies import read_body
from agent_management_service.kinds.repository import Columns
from agent_management_service.wrappers.compiling import settings_faults
from agent_management_service.wrappers.schemas import ChatWrapperBody, RemoteWrapperBody, WrapperOfNoShell
from kgents_shared.contracts.model import Contract
from kgents_shared.errors import InvalidInput

_BODIES: dict[str, type[Contract]] = {"Chat": ChatWrapperBody, "Remote": RemoteWrapperBody}


async def wrapper_body(request: Request) -> Columns:
    """A wrapper's columns; what its configuration may hold depends on its shell."""
    body = await read_body(request, _body_type)
    columns = body.model_dump(exclude={"configuration"})
    # What is absent stays absent: the wrapped agent has it.
    columns["configuration"] = body.model_dump(mode="json", include={"configuration"}, exclude_unset=True).get(
        "configuration", {}
    )
    faults = settings_faults(columns)
    if faults:
        raise InvalidInput("No agent can be made of this wrapper. Each fault is listed in errors.", errors=faults)
    return columns


def _body_type(value: object) -> type[Contract]:
    fields = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    configuration = fields.get("configuration", {})
    if not isinstance(configuration, dict):
        return ChatWrapperBody
    shell = cast("dict[str, object]", configuration).get("shell", "Chat")
    return _BODIES.get(shell, WrapperOfNoShell) if isinstance(shell, str) else WrapperOfNoShell
