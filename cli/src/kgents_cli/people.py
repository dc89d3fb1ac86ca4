"""Whom a command means: people are named by their address or their id."""

from kgents_cli.client import ApiClient
from kgents_cli.faults import ApiFault, BadInput


def person_id(api: ApiClient, person: str) -> str:
    """The id of the person of that address; an id is taken as it is.

    Raises:
        BadInput: nobody has that address.
    """
    if "@" not in person:
        return person
    found = next(iter(api.pages("/admin/users", {"email": person})), None)
    if found is None:
        raise BadInput(f"nobody has the address {person}", hint="see who there is with: kgents users list")
    return str(found["id"])


class Named:
    """People as lists show them: `you` for the one who asks, the id of everybody else."""

    def __init__(self) -> None:
        self._own: str | None = None

    def __call__(self, person: str) -> str:
        """How the person of this id is called."""
        if self._own is None:
            self._own = _own_id()
        return "you" if person == self._own else person


def _own_id() -> str:
    """The caller's id, or nothing for who may not ask."""
    with ApiClient() as api:
        try:
            return str(api.call("GET", "/users/me")["id"])
        except ApiFault as fault:
            if fault.status not in (403, 404):
                raise
            return ""
