"""How a provider's failure is told: always with its name, never with its key."""

import re
from typing import Any, Final

import orjson

from kgents_shared.contracts.worker import FAULT_MARK
from kgents_shared.errors import ApiError, BadGateway, Conflict, GatewayTimeout, Unavailable

_MAX_SAID_CHARS = 300
# Each provider says in words of its own that a request is longer than its model takes.
_TOO_LONG = frozenset({400, 413, 422, 500})
_LENGTH = re.compile(
    r"context[ _](?:length|window|size)|maximum context|prompt is too long|input is too long|too many (?:input )?tokens"
    r"|(?:token count|number of tokens).{0,80}exceed|exceeds?.{0,80}(?:token limit|number of tokens)",
    re.IGNORECASE,
)
_NO_IMAGES = re.compile(
    r"(?:image|vision|multimodal).{0,80}(?:not support|unsupported|only supported|missing data|not enabled)"
    r"|(?:not support|unsupported|missing data).{0,80}(?:image|vision|multimodal)",
    re.IGNORECASE,
)
HOW_TO_ALLOW = "An operator can list it in RUNTIME_SSRF_ALLOWED_HOSTS."


# The name of an agent elsewhere in a provider's place; nobody has an account there.
REMOTE: Final = "remote"
# The provider was at work when nobody waited any longer.
GIVEN_UP: Final = frozenset({None, "provider_timeout", "provider_cut"})


def _who(provider: str) -> str:
    return "The remote agent" if provider == REMOTE else f"The model provider {provider}"


def unreachable(provider: str) -> ApiError:
    """No connection."""
    return BadGateway(f"{_who(provider)} can't be reached.", code="provider_unreachable")


def timed_out(provider: str) -> ApiError:
    """No answer, or no end of it, in time."""
    return GatewayTimeout(f"{_who(provider)} did not answer in time.", code="provider_timeout")


def rate_limited(provider: str, retry_after_s: float) -> ApiError:
    """429 from the provider is 503 from us: it is the platform that is limited, not the caller."""
    return Unavailable(
        f"{_who(provider)} takes no more requests for the moment.",
        code="provider_rate_limited",
        retry_after_s=max(1, round(retry_after_s)),
    )


def refused(provider: str, status: int, credential: str) -> ApiError:
    """401 or 403; its words are not passed on, since they may quote the key."""
    return BadGateway(f"{_who(provider)} refused {credential} ({status}).", code="provider_refused")


def address_refused(provider: str, sentence: str) -> ApiError:
    """The address of an agent's own account is none of the public internet."""
    return BadGateway(f"{_who(provider)} is not asked: {sentence} {HOW_TO_ALLOW}", code="provider_address_refused")


class ProviderFailed(BadGateway):
    """The provider answered with an error's status, which is `far_status`."""

    default_code = "provider_error"

    def __init__(self, detail: str, far_status: int) -> None:
        super().__init__(detail)
        self.far_status = far_status


def failed(provider: str, status: int, message: str | None) -> ApiError:
    """Any other status that isn't 200."""
    said = f": {message}" if message else "."
    if message and status in _TOO_LONG and _LENGTH.search(message):
        return ContextTooLong(f"{_who(provider)} takes no request as long as this{said}")
    if message and status in _TOO_LONG and _NO_IMAGES.search(message):
        return ImagesNotTaken(f"The model takes no images, says the provider {provider}{said}")
    kind = ModelUnknown if status == 404 and message and "model" in message.lower() else ProviderFailed
    return kind(f"{_who(provider)} answered with {status}{said}", status)


class ModelUnknown(ProviderFailed):
    """A 404 that speaks of the model."""

    default_code = "provider_model_unknown"


class ImagesNotTaken(ApiError):
    """The model reads text alone."""

    status = 422
    default_code = "images_not_taken"


class ContextTooLong(ApiError):
    """What the model was shown is more than it takes."""

    status = 422
    default_code = "context_too_long"


def reported(provider: str, message: str | None) -> ApiError:
    """An error in the middle of a good answer."""
    said = f": {shortened(message)}" if message else "."
    return BadGateway(f"{_who(provider)} reported an error in its answer{said}", code="provider_error")


def shortened(message: str, key: str | None = None) -> str:
    """A provider's own sentence as it is passed on: without the key, should it quote it, and not too long."""
    kept = message.replace(key, "…") if key else message
    return kept[:_MAX_SAID_CHARS].replace("\x00", "")


def not_configured(provider: str, how: str) -> ApiError:
    """Nobody's account at this provider is known. `how` is the operator's setting, if the platform can have one."""
    operator = f", or ask the operator to set {how}" if how else ""
    return Conflict(
        f"The platform has no account at the model provider {provider}: give the agent a credential_ref of one"
        f"{operator}.",
        code="provider_not_configured",
    )


def garbage(provider: str, what: str) -> ApiError:
    """A 200 that isn't a chat completion."""
    return BadGateway(f"{_who(provider)} answered with {what}.", code="provider_garbage")


def cut(provider: str) -> ApiError:
    """The connection ended in the middle."""
    return BadGateway(f"{_who(provider)} broke off in the middle of its answer.", code="provider_cut")


def as_told(error: ApiError) -> dict[str, Any]:
    """What a worker reads of a fault."""
    return {"code": error.code, "detail": error.detail, "status": error.status}


def closing_event(error: ApiError) -> bytes:
    """The event that ends a stream which has begun; what was being sent may have stopped in the middle of a line."""
    return b"\n\ndata: " + orjson.dumps({"error": as_told(error)}) + b"\n\n"


def closing_mark(error: ApiError) -> bytes:
    """The same on a provider's own wire, which has no such event: JSON behind a byte that no JSON text has."""
    return FAULT_MARK + orjson.dumps({"error": as_told(error)})
