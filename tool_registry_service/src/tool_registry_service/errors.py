"""What this service's callers are told of, and what goes wrong between it and a tool."""

from kgents_shared.errors import BadGateway, Conflict, InvalidInput, NotFound


class ServerNotFound(NotFound):
    """No MCP server of this id belongs to the caller."""

    default_code = "mcp_server_not_found"


class ToolNotFound(NotFound):
    """No tool of this name belongs to the caller."""

    default_code = "tool_not_found"


class InvocationNotFound(NotFound):
    """No recorded call of this id is of a tool of the caller's."""

    default_code = "invocation_not_found"


class CostNotSet(NotFound):
    """Nobody said what calls of this tool cost."""

    default_code = "cost_not_set"


class CredentialNotFound(NotFound):
    """No credential of this reference belongs to the caller."""

    default_code = "credential_not_found"


class ServerNameTaken(Conflict):
    """The caller has an MCP server of this name already."""

    default_code = "name_taken"


class ApiNotFound(NotFound):
    """No imported API of this id belongs to the caller."""

    default_code = "http_api_not_found"


class NameTaken(Conflict):
    """Another tool, server or imported API of the owner has the name, or what begins with it."""

    default_code = "name_taken"


class ToolOfAnother(Conflict):
    """A tool that belongs to a server or an imported API can't be changed by itself."""

    default_code = "tool_of_another"


class BadToolDefinition(InvalidInput):
    """A tool whose schemas can't be taken."""

    default_code = "bad_tool_definition"


class BadApiDocument(InvalidInput):
    """An OpenAPI document of which no tools can be made."""

    default_code = "openapi_document"


class ApiDocumentRefused(InvalidInput):
    """An OpenAPI document that isn't fetched: its address is refused, or it is too large."""

    default_code = "openapi_document_refused"


class ApiDocumentUnreachable(BadGateway):
    """There is no document at the address, or nothing answers there."""

    default_code = "openapi_document_unreachable"


class CredentialUnusable(InvalidInput):
    """A credential of another type or shape than what it is named for."""

    default_code = "credential_unusable"


class NothingToAccept(Conflict):
    """The tool has no changed definition, or not the one that the caller saw."""

    default_code = "nothing_to_accept"


class RuleNotFound(NotFound):
    """No permission rule of this id that the caller may take back."""

    default_code = "permission_rule_not_found"


class CapabilityNotFound(NotFound):
    """No capability of this name."""

    default_code = "capability_not_found"


class CapabilityInUse(Conflict):
    """A rule names the capability."""

    default_code = "capability_in_use"


class TooManyRules(Conflict):
    """The owner has as many rules, or capabilities, as they may."""

    default_code = "too_many_rules"


class CommandNotAllowed(InvalidInput):
    """The stdio command is not on the operator's list."""

    default_code = "command_not_allowed"


class IdempotencyKeyReused(InvalidInput):
    """The key was used for another call."""

    default_code = "idempotency_key_reused"


class ArgumentsRefused(InvalidInput):
    """Arguments that no row can hold: they nest too deep, or have a number that JSON doesn't have."""

    default_code = "not_storable"


class ServerUnreachable(BadGateway):
    """An MCP server could not be reached, or did not speak MCP."""

    default_code = "mcp_server_unreachable"


class ServerUnauthorized(BadGateway):
    """An MCP server lets nobody in without authorization, or not with the one that it was shown."""

    default_code = "mcp_server_unauthorized"


class OAuthNotSet(Conflict):
    """The server isn't one that a person authorizes."""

    default_code = "oauth_not_set"


class AuthorizationNotPending(NotFound):
    """Nobody waits for this answer of an authorization server: it was used, or came too late."""

    default_code = "authorization_not_pending"


class AuthorizationFailed(BadGateway):
    """An MCP server's authorization server can't be used, or gave no tokens."""

    default_code = "mcp_authorization_failed"


class ServerRefused(InvalidInput):
    """An MCP server that can't be registered: its address is refused, or it offers too much."""

    default_code = "mcp_server_refused"


class SchemaTooComplex(Exception):
    """A check of arguments that takes more steps than it may."""


class ToolCallFault(Exception):
    """A call that gave no result; the text is a sentence for the model. `outcome` goes to the invocation's row.

    `may_have_acted`: it was sent, and whether it had its effect is not known.
    """

    outcome = "failed"
    may_have_acted = False


class NeverSent(ToolCallFault):
    """The server could not be reached, so that the call had no effect."""

    outcome = "unreachable"


class ConnectionLost(ToolCallFault):
    """The connection broke after the call was sent: whether it had an effect is not known."""

    outcome = "unknown"
    may_have_acted = True


class AnsweredForAnother(ConnectionLost):
    """The server answered a call, or a session, that was not the one it was asked in: what it says is not used."""


class CallRefused(ToolCallFault):
    """The server took the call in and refused it."""

    outcome = "refused"


class WantsAuthorization(NeverSent):
    """The server lets nobody in without authorization, or not with the one that it was shown."""

    outcome = "unauthorized"


class AuthorizationFault(WantsAuthorization):
    """The server's authorization server can't be asked, or gives no answer that can be used."""


class AuthorizationRefused(AuthorizationFault):
    """The authorization server said no, or is not one that may be used; another try is no help."""


class CallTimedOut(ToolCallFault):
    """No answer in time: whether the call had an effect is not known."""

    outcome = "timed_out"
    may_have_acted = True


class AnswerTooLarge(ToolCallFault):
    """The server sent more than is read."""

    outcome = "too_large"


class AddressRefused(NeverSent):
    """An address that outgoing calls may not reach."""

    outcome = "address_refused"


class ArgumentRefused(NeverSent):
    """An argument that the schema lets pass and that can't be sent."""

    outcome = "invalid_arguments"


class CredentialRefused(NeverSent):
    """The server's credential can't be used: it was deleted, is of another type, or has no form of a bearer."""

    outcome = "credential_refused"


class NoSuchCredential(CredentialRefused):
    """The owner has no credential of that reference."""


class DefinitionChanged(ToolCallFault):
    """The server's definition of the tool is no longer the one that was pinned."""

    outcome = "changed"
