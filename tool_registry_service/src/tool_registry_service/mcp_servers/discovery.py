"""Asking a server what it offers. No transaction is open meanwhile: a server may take its time."""

from kgents_shared.errors import ApiError
from tool_registry_service.errors import (
    AddressRefused,
    AnswerTooLarge,
    CallRefused,
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
        raise as_problem(error) from error


def as_problem(error: ToolCallFault) -> ApiError:
    """Why a server gave no answer, as its owner is told."""
    cause = error.__cause__ if isinstance(error.__cause__, ToolCallFault) else error
    if isinstance(cause, NoSuchCredential):
        return CredentialNotFound(str(error))
    if isinstance(cause, WantsAuthorization) or isinstance(error, WantsAuthorization):
        return ServerUnauthorized(f"{error} {_HOW}".strip())
    refused = isinstance(cause, AddressRefused | AnswerTooLarge | CallRefused | CredentialRefused)
    return (ServerRefused if refused or type(cause) is ToolCallFault else ServerUnreachable)(str(error))
