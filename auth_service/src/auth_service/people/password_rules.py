"""Which passwords are taken: NIST SP 800-63B §3.1.1.2 (length and a blocklist; no rules of composition).

Passwords are hashed as they come: no Unicode normalisation, so that two different ones never are the same.
"""

from functools import cache
from importlib import resources

from kgents_shared.errors import FaultItem

MIN_CHARS = 8
MAX_CHARS = 256
_CONTEXT = frozenset({"kgents", "password", "passwort"})


@cache
def _blocklist() -> frozenset[str]:
    text = resources.files("auth_service.people").joinpath("common_passwords.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def password_fault(password: str, *, email: str, name: str, field: str = "password") -> FaultItem | None:
    """What is wrong with a new password of the allowed length, or None; `field` is where it stands in the body."""
    folded = password.casefold()
    own = {email, email.partition("@")[0], name.casefold(), name.casefold().replace(" ", "")}
    if folded in _blocklist() or len(set(folded)) < 3:
        return _fault(field, "is one of the first that anybody would try", "common_password")
    if folded in own or folded.rstrip("0123456789!?.") in _CONTEXT | own:
        return _fault(field, "is made of your address, your name or the name of this place", "guessable_password")
    return None


def _fault(field: str, msg: str, code: str) -> FaultItem:
    return FaultItem(("body", field), msg, code, "take a few words that don't belong together")
