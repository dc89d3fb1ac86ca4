"""How the failure of an agent elsewhere is told: in the codes of a model provider's, so that all that knows them
knows these too. Its own words are quoted short, never what it was shown.
"""

from agent_runtime_service.gateway.faults import HOW_TO_ALLOW, ProviderFailed, shortened
from kgents_shared.errors import ApiError, BadGateway, GatewayTimeout


def unreachable() -> ApiError:
    """No connection."""
    return BadGateway("The remote agent can't be reached.", code="provider_unreachable")


def timed_out() -> ApiError:
    """No end of its answer in time."""
    return GatewayTimeout("The remote agent did not answer in time.", code="provider_timeout")


def refused(status: int) -> ApiError:
    """401 or 403."""
    return BadGateway(f"The remote agent refused what it was shown ({status}).", code="provider_refused")


def address_refused(sentence: str) -> ApiError:
    """Its address is none of the public internet."""
    return BadGateway(f"The remote agent is not asked: {sentence} {HOW_TO_ALLOW}", code="provider_address_refused")


def leads_elsewhere(origin: str) -> ApiError:
    """Its card is another server's, which would be shown the credential."""
    return BadGateway(
        f"The remote agent is not asked: its card leads to another server than its own. If that is meant, name "
        f"{origin} in runtime.remote.url.",
        code="provider_address_refused",
    )


def failed(status: int, said: str | None, secret: str | None = None) -> ApiError:
    """Any other status that isn't 200, or a task that failed there (502)."""
    words = f": {shortened(said, secret)}" if said else "."
    return ProviderFailed(f"The remote agent failed ({status}){words}", status)


def garbage(what: str) -> ApiError:
    """An answer that isn't one."""
    return BadGateway(f"The remote agent answered with {what}.", code="provider_garbage")


def cut() -> ApiError:
    """The connection ended in the middle."""
    return BadGateway("The remote agent broke off in the middle of its answer.", code="provider_cut")


def waits(said: str) -> ApiError:
    """Somebody over there has to allow something first."""
    return BadGateway(
        f"The remote agent waits for somebody's word over there: {shortened(said, None)}", code="remote_waits"
    )
