"""How an application is shown."""

from auth_service.applications.repository import Application, SecretRecord
from auth_service.applications.schemas import AnyClientView, ClientView, KeySet, SecretView


def secret_view(found: SecretRecord) -> SecretView:
    """A secret without the secret."""
    return SecretView(id=found.id, created_at=found.created_at, expires_at=found.expires_at)


def client_view(found: Application) -> ClientView:
    """An application as its owner sees it."""
    return ClientView(
        client_id=found.client_id,
        name=found.name,
        owner=found.owner_id,
        scopes=list(found.scopes),
        roles=list(found.roles),
        may_exchange=found.may_exchange,
        disabled=found.disabled,
        created_at=found.created_at,
        secrets=[secret_view(one) for one in found.secrets],
        jwks=None if found.jwks is None else KeySet(keys=list(found.jwks)),
    )


def any_client_view(found: Application) -> AnyClientView:
    """A client as administrators see it."""
    return AnyClientView(kind=found.kind, **client_view(found).model_dump())
