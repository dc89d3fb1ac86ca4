"""What the settings say of an issuer."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints

_HTTPS = re.compile(r"https://[^/?#\s@]+(/[^?#\s]*)?")
# What stays on this machine needs no TLS (RFC 8252 §7.3).
_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|\[::1\]|localhost)(:[0-9]{1,5})?(/[^#\s]*)?")


def is_loopback(address: str) -> bool:
    """Whether an address stays on this machine, over plain HTTP."""
    return _LOOPBACK.fullmatch(address) is not None


def _checked_issuer(issuer: str) -> str:
    if not _HTTPS.fullmatch(issuer) and ("?" in issuer or not is_loopback(issuer)):
        raise ValueError("must be the issuer's https:// address, without query or fragment")
    return issuer


def _with_openid(scopes: tuple[str, ...]) -> tuple[str, ...]:
    if "openid" not in scopes:
        raise ValueError("must have openid in it: without it an issuer gives no ID token")
    return scopes


IssuerName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
_Word = Annotated[str, StringConstraints(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]+$")]


class OidcIssuer(BaseModel):
    """An issuer that people may come from. `issuer` is compared as it stands with what the issuer says of itself.

    Without `client_secret` this service is a public client there. `trusts_addresses` takes addresses that the issuer
    doesn't call verified; for issuers whose addresses nobody but their administrators writes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    issuer: Annotated[str, Field(max_length=2000), AfterValidator(_checked_issuer)]
    client_id: Annotated[str, Field(min_length=1, max_length=500)]
    client_secret: SecretStr | None = None
    scopes: Annotated[tuple[_Word, ...], AfterValidator(_with_openid)] = ("openid", "email", "profile")
    trusts_addresses: bool = False
