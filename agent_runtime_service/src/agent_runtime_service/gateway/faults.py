"""How a provider's failure is told: always with its name, never with its key."""

from typing import Any

import orjson

from kgents_shared.errors import ApiError, BadGateway, GatewayTimeout, Unavailable

HOW_TO_ALLOW = "An operator can list it in RUNTIME_SSRF_ALLOWED_HOSTS."


def unreachable(provider: str) -> ApiError:
    """No connection."""
    return BadGateway(f"The model provider {provider} can't be reached.", code="provider_unreachable")


def timed_out(provider: str) -> ApiError:
    """No answer, or no end of it, in time."""
    return GatewayTimeout(f"The model provider {provider} did not answer in time.", code="provider_timeout")


def rate_limited(provider: str, retry_after_s: float) -> ApiError:
    """429 from the provider is 503 from us: it is the platform that is limited, not the caller."""
    return Unavailable(
        f"The model provider {provider} takes no more requests for the moment.",
        code="provider_rate_limited",
        retry_after_s=max(1, round(retry_after_s)),
    )


def refused(provider: str, status: int, credential: str) -> ApiError:
    """401 or 403; its words are not passed on, since they may quote the key."""
    return BadGateway(f"The model provider {provider} refused {credential} ({status}).", code="provider_refused")


def address_refused(provider: str, sentence: str) -> ApiError:
    """The address of an agent's own account is none of the public internet."""
    return BadGateway(
        f"The model provider {provider} is not asked: {sentence} {HOW_TO_ALLOW}", code="provider_address_refused"
    )


class ProviderFailed(BadGateway):
    """The provider answered with an error's status, which is `far_status`."""

    default_code = "provider_error"

    def __init__(self, detail: str, far_status: int) -> None:
        super().__init__(detail)
        self.far_status = far_status


def failed(provider: str, status: int, message: str | None) -> ApiError:
    """Any other status that isn't 200."""
    said = f": {message}" if message else "."
    return ProviderFailed(f"The model provider {provider} answered with {status}{said}", status)


def garbage(provider: str, what: str) -> ApiError:
    """A 200 that isn't a chat completion."""
    return BadGateway(f"The model provider {provider} answered with {what}.", code="provider_garbage")


def cut(provider: str) -> ApiError:
    """The connection ended in the middle."""
    return BadGateway(f"The model provider {provider} broke off in the middle of its answer.", code="provider_cut")


def as_told(error: ApiError) -> dict[str, Any]:
    """What a worker reads of a fault."""
    return {"code": error.code, "detail": error.detail, "status": error.status}


def closing_event(error: ApiError) -> bytes:
    """The event that ends a stream which has begun; what was being sent may have stopped in the middle of a line."""
    return b"\n\ndata: " + orjson.dumps({"error": as_told(error)}) + b"\n\n"
