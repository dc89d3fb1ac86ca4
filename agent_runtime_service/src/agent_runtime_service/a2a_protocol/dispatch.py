"""The SDK's dispatcher over our tasks: it speaks both versions of the protocol, 1.0 and 0.3."""

import logging

from a2a.auth.user import User
from a2a.server.context import ServerCallContext
from a2a.server.routes.common import ServerCallContextBuilder
from a2a.server.routes.jsonrpc_dispatcher import JsonRpcDispatcher
from starlette.requests import Request

from agent_runtime_service.a2a_protocol.calls import CALL, Call
from agent_runtime_service.a2a_protocol.parts import TaskParts
from agent_runtime_service.a2a_protocol.tasks import AgentTasks


class _Caller(User):
    def __init__(self, call: Call) -> None:
        self._call = call

    @property
    def is_authenticated(self) -> bool:
        """The route let nobody else in."""
        return True

    @property
    def user_name(self) -> str:
        """The subject."""
        return self._call.principal.subject


class _Contexts(ServerCallContextBuilder):
    def build(self, request: Request) -> ServerCallContext:
        """The context of a request whose state has its call."""
        call: Call = getattr(request.state, CALL)
        return ServerCallContext(user=_Caller(call), state={CALL: call, "headers": dict(request.headers)})


def dispatcher(parts: TaskParts) -> JsonRpcDispatcher:
    """What answers the JSON-RPC requests."""
    # What clients send wrongly they are told; the log would quote it.
    logging.getLogger("a2a").setLevel(logging.CRITICAL)
    return JsonRpcDispatcher(AgentTasks(parts), _Contexts(), enable_v0_3_compat=True)
