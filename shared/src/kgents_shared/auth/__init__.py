"""Who is asking, and may they: one middleware for every service (DESIGN §3)."""

from kgents_shared.auth.api_keys import ApiKeySource, NoApiKeys
from kgents_shared.auth.keys import JwksKeySource, KeySource, StaticKeySource
from kgents_shared.auth.ownership import (
    OfOrganisation,
    Reference,
    named,
    organisation_of,
    owner_of_new,
    owners_listed,
    reference_of,
    referenced,
)
from kgents_shared.auth.principal import Principal
from kgents_shared.auth.requirements import (
    internal_routes_without_service,
    public_routes,
    require,
    require_service,
    route_scopes,
)
from kgents_shared.auth.revocations import RevocationFeed, Revocations, RevokedSet
from kgents_shared.auth.scopes import ALL_SCOPES, ROLE_DESCRIPTIONS, ROLE_SCOPES, SCOPES
from kgents_shared.auth.source import IdentitySource
from kgents_shared.auth.tokens import PEOPLE_AUDIENCE, TokenVerifier

__all__ = [
    "ALL_SCOPES",
    "PEOPLE_AUDIENCE",
    "ROLE_DESCRIPTIONS",
    "ROLE_SCOPES",
    "SCOPES",
    "ApiKeySource",
    "IdentitySource",
    "JwksKeySource",
    "KeySource",
    "NoApiKeys",
    "OfOrganisation",
    "Principal",
    "Reference",
    "RevocationFeed",
    "Revocations",
    "RevokedSet",
    "StaticKeySource",
    "TokenVerifier",
    "internal_routes_without_service",
    "named",
    "organisation_of",
    "owner_of_new",
    "owners_listed",
    "public_routes",
    "reference_of",
    "referenced",
    "require",
    "require_service",
    "route_scopes",
]
