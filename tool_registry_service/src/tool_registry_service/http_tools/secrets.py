"""The credentials of HTTP tools: resolved from the vault at the last moment, put on a request, taken out of answers."""

import base64
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast
from urllib.parse import quote, quote_plus

from pydantic import SecretStr

from kgents_shared.contracts.credentials import ResolvedCredential
from kgents_shared.http.vault import CredentialFault, CredentialGone, CredentialUse, KeptSecrets, Vault, VaultAway
from tool_registry_service.errors import CredentialRefused, NeverSent, NoSuchCredential
from tool_registry_service.http_tools.definition import AuthScheme, Placement
from tool_registry_service.http_tools.sending import Outgoing

_TYPES = frozenset({"generic", "platform"})
_SENDABLE = re.compile(r"[\x21-\x7e]{1,8192}")
_BASIC = re.compile(r"[\x20-\x7e\xa0-\uffff]{1,4096}")
_FIELDS = ("token", "api_key", "key", "secret", "value", "password")
_LEAST_MASKED = 4


@dataclass(frozen=True, slots=True, repr=False)
class Shown:
    """What of a request shows who asks, and every text by which an answer could give the secret away."""

    headers: dict[str, str]
    query: list[tuple[str, str]]
    secrets: tuple[str, ...] = ()

    def on(self, request: Outgoing) -> Outgoing:
        """The request with it; an argument can't stand in its place."""
        names = {name for name, _ in self.query}
        query = [pair for pair in request.query if pair[0] not in names] + self.query
        return replace(request, query=query, headers=request.headers | self.headers)

    def masked(self, text: str) -> str:
        """A far side's text without the secret: many repeat what they were sent."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text

    def masked_value(self, value: Any) -> Any:
        """A parsed answer likewise, changed in place: its texts are quoted where it isn't what its schema promises."""
        whole = [value]
        waiting: list[Any] = [whole] if self.secrets else []
        while waiting:
            current = waiting.pop()
            if isinstance(current, dict):
                named = {self.masked(name): entry for name, entry in cast("dict[str, Any]", current).items()}
                current.clear()
                current.update(named)
            for place, entry in list(current.items() if isinstance(current, dict) else enumerate(current)):
                if isinstance(entry, str):
                    current[place] = self.masked(entry)
                elif isinstance(entry, dict | list):
                    waiting.append(entry)
        return whole[0]


NOTHING_SHOWN = Shown({}, [])


class HttpSecrets:
    """Secrets by credential, each kept for a minute at most."""

    def __init__(self, vault: Vault, clock: Callable[[], float] = time.monotonic) -> None:
        self._kept = KeptSecrets(vault, lambda resolved: resolved, clock)

    async def shown(self, use: CredentialUse, placement: Placement, purpose: str) -> Shown:
        """The credential as it goes with a request. Raises `CredentialRefused`, `NeverSent`."""
        try:
            return _shown(await self._kept.get(use, purpose), placement)
        except CredentialGone as error:
            raise NoSuchCredential(str(error)) from None
        except VaultAway as error:
            raise NeverSent(str(error)) from None
        except CredentialFault as error:
            raise CredentialRefused(f"{error} An HTTP tool takes one of type generic or platform.") from None

    def forget(self, use: CredentialUse) -> None:
        """Drop a secret that was refused where it was shown."""
        self._kept.forget(use)


def _shown(resolved: ResolvedCredential, placement: Placement) -> Shown:
    if resolved.type not in _TYPES:
        raise CredentialFault(f"{resolved.credential_ref} is a credential of type {resolved.type}.")
    name = placement.name or ""
    if placement.scheme == "basic":
        user, password = _user_and_password(resolved)
        encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
        return Shown({"authorization": f"Basic {encoded}"}, [], _forms(password, encoded))
    text = _text_of(resolved, placement.scheme)
    if placement.scheme == "query":
        return Shown({}, [(name, text)], _forms(text))
    header = {"authorization": f"Bearer {text}"} if placement.scheme == "bearer" else {name.lower(): text}
    return Shown(header, [], _forms(text))


def _text_of(resolved: ResolvedCredential, scheme: AuthScheme) -> str:
    secret = resolved.secret
    if isinstance(secret, dict):
        named = [secret[field] for field in _FIELDS if field in secret]
        secret = named[0] if named else next(iter(secret.values())) if len(secret) == 1 else None
    if secret is None or _SENDABLE.fullmatch(secret.get_secret_value()) is None:
        raise CredentialFault(
            f"{resolved.credential_ref} can't be sent by the scheme {scheme}: it must be a text, or an object with the "
            "field token or api_key, without spaces."
        )
    return secret.get_secret_value()


def _user_and_password(resolved: ResolvedCredential) -> tuple[str, str]:
    secret = resolved.secret
    if isinstance(secret, SecretStr):
        user, colon, password = secret.get_secret_value().partition(":")
        found = (user, password) if colon else None
    else:
        named = [secret.get("username") or secret.get("user"), secret.get("password")]
        found = (named[0].get_secret_value(), named[1].get_secret_value()) if named[0] and named[1] else None
    if found is None or ":" in found[0] or _BASIC.fullmatch(f"{found[0]}:{found[1]}") is None:
        raise CredentialFault(
            f"{resolved.credential_ref} can't be sent by the scheme basic: it must be an object with the fields "
            "username and password."
        )
    return found


def _forms(*secrets: str) -> tuple[str, ...]:
    """Each secret as it is and as JSON (some escape `/`) and addresses write it, the longest first."""
    written = [(secret, json.dumps(secret)[1:-1]) for secret in secrets]
    forms = {
        form
        for secret, in_json in written
        for form in (secret, in_json, in_json.replace("/", "\\/"), quote(secret, safe=""), quote_plus(secret))
        if len(form) >= _LEAST_MASKED
    }
    return tuple(sorted(forms, key=len, reverse=True))
