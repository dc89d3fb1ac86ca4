"""Asking a server what it offers. No transaction is open meanwhile: a server may take its time."""

from tool_registry_service.errors import (
    AddressRefused,
    AnswerTooLarge,
    CredentialNotFound,
    CredentialRefused,
    NoSuchCredential,
    ServerRefused,
    ServerUnauthorized,
    ServerUnreachable,
    ToolCallFault,
    WantsAuthorization,
)
from tool_registry_service.mcp_client.pool import SessionPool
from tool_registry_service.mcp_client.targets import ServerTarget
from tool_registry_service.tools.definitions import Offer, offer_of

_HOW = "A server that wants a key takes a credential_ref, one that wants OAuth takes oauth."


async def offer_from(sessions: SessionPool, target: ServerTarget) -> Offer:
    """The tools of `target` that can be taken.

    Raises:
        ServerRefused: its address is refused, or it offers too much.
        CredentialNotFound: its owner has no credential of that reference.
        ServerUnauthorized: it lets nobody in without authorization.
        ServerUnreachable: it can't be reached, or doesn't speak MCP.
    """
    try:
        return offer_of(await sessions.tools(target))
    except ToolCallFault as error:
        cause = error.__cause__ if isinstance(error.__cause__, ToolCallFault) else error
        if isinstance(cause, NoSuchCredential):
            raise CredentialNotFound(str(error)) from error
        if isinstance(cause, WantsAuthorization) or isinstance(error, WantsAuthorization):
            raise ServerUnauthorized(f"{error} {_HOW}".strip()) from error
        refused = isinstance(cause, AddressRefused | AnswerTooLarge | CredentialRefused) or type(cause) is ToolCallFault
        raise (ServerRefused if refused else ServerUnreachable)(str(error)) from error
