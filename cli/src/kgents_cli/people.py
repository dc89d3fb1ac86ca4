"""Whom a command means: people are named by their address or their id."""

from kgents_cli.client import ApiClient
from kgents_cli.faults import BadInput


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
