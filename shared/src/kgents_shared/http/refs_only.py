"""The refs-only check of a JSON body: `_: RefsOnly` in the route that takes it, behind its principal."""

from typing import Annotated

from fastapi import Depends, Request

from kgents_shared.errors.refs_only import refuse_secrets


async def refs_only(request: Request) -> None:
    """Refuse a body that carries what looks like a secret, before anything else is said of it.

    A body that is no JSON is left to the route: it says so. Raises `SecretInDocument`.
    """
    try:
        document: object = await request.json()
    except (ValueError, RecursionError):
        return
    refuse_secrets(document, "body")


RefsOnly = Annotated[None, Depends(refs_only)]
