"""This service's errors: one status and one stable code each."""

from kgents_shared.errors import ApiError, Conflict, FaultItem, InvalidInput, NotFound


class AgentNotFound(NotFound):
    """404, the same for an agent that isn't there and for another owner's."""

    default_code = "agent_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such agent.")


class VersionNotFound(NotFound):
    """404: the agent has no version of that number."""

    default_code = "version_not_found"

    def __init__(self) -> None:
        super().__init__("The agent has no such version.")


class LabelNotFound(NotFound):
    """404: no version of the agent has the label."""

    default_code = "label_not_found"

    def __init__(self) -> None:
        super().__init__("No version of the agent has that label.")


class NameTaken(Conflict):
    """409: the owner already has an agent of that name."""

    default_code = "name_taken"

    def __init__(self, name: str) -> None:
        super().__init__(f'You already have an agent named "{name}": choose another name, or update that agent.')


class NotPublished(Conflict):
    """409: an agent that was never published can't be stopped."""

    default_code = "not_published"

    def __init__(self) -> None:
        super().__init__("The agent was never published: publish it first.")


class NameIsFixed(InvalidInput):
    """422: a definition that would rename its agent."""

    default_code = "name_is_fixed"

    def __init__(self, name: str) -> None:
        fault = FaultItem(
            ("name",),
            "an agent's name can't be changed",
            "name_is_fixed",
            f'keep "{name}", or create another agent with the new name',
        )
        super().__init__("The definition has another name than the agent.", errors=[fault])


class UnsupportedMediaType(ApiError):
    """415: a body that is neither JSON nor TOML."""

    status = 415
    default_code = "unsupported_media_type"

    def __init__(self, given: str) -> None:
        super().__init__(
            f"The content-type {given[:100] or 'is missing; it'} can't be read here: "
            "send application/json or application/toml."
        )


class KeyReused(InvalidInput):
    """422: an Idempotency-Key that came before with another request."""

    default_code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used for another request: take a new key.")
