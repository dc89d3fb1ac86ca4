"""What somebody does not lend out: their account, and what lasts longer than what they lent."""

from kgents_shared.auth import Principal
from kgents_shared.auth.api_keys import CLIENT_ID as API_KEY_CLIENT
from kgents_shared.errors import Forbidden


def check_in_person(principal: Principal) -> None:
    """Raises Forbidden for an API key, and for whoever acts for somebody (RFC 8693)."""
    if principal.client_id == API_KEY_CLIENT or principal.actor is not None:
        raise Forbidden(
            "Only you yourself can do this, not a key or whoever acts for you; log in.", code="not_in_person"
        )
