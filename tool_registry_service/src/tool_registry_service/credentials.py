"""The secrets of MCP servers: resolved from the vault at the last moment, kept for a minute at most."""

import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import SecretStr

from kgents_shared.contracts.credentials import ResolvedCredential
from kgents_shared.http.vault import CredentialFault, CredentialGone, CredentialUse, KeptSecrets, Vault, VaultAway
from tool_registry_service.errors import CredentialRefused, NeverSent, NoSuchCredential

_BEARER = re.compile(r"[\x21-\x7e]{1,8192}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{1,8192}")
_TOKEN = "token"  # noqa: S105 -- a field's name
FIELD = re.compile(r"\$\{([A-Za-z0-9][A-Za-z0-9_.-]{0,63})\}")
"""Stands in a header for a field of the credential."""

Headers = Sequence[tuple[str, str]]


class Bearers:
    """What goes into headers, by credential."""

    def __init__(self, vault: Vault, clock: Callable[[], float] = time.monotonic) -> None:
        self._kept = KeptSecrets(vault, _fields_of, clock)

    async def bearer(self, use: CredentialUse, purpose: str) -> SecretStr:
        """The bearer that `use` stands for. Raises `CredentialRefused`, `NeverSent`."""
        bearer = (await self._fields(use, purpose)).get(_TOKEN)
        if bearer is None or _BEARER.fullmatch(bearer.get_secret_value()) is None:
            raise CredentialRefused(
                f"{use.credential_ref} can't be sent as a bearer: it must be a text, or an object with the field "
                "token, without spaces. An MCP server takes one of type mcp."
            )
        return bearer

    async def headers(self, use: CredentialUse, purpose: str, headers: Headers) -> dict[str, str]:
        """`headers` with the credential's fields put in. Raises `CredentialRefused`, `NeverSent`."""
        fields = await self._fields(use, purpose)
        return {name: _filled(use, name, value, fields) for name, value in headers}

    async def _fields(self, use: CredentialUse, purpose: str) -> dict[str, SecretStr]:
        try:
            return await self._kept.get(use, purpose)
        except CredentialGone as error:
            raise NoSuchCredential(str(error)) from None
        except VaultAway as error:
            raise NeverSent(str(error)) from None
        except CredentialFault as error:
            raise CredentialRefused(f"{error} An MCP server takes one of type mcp.") from None

    def forget(self, use: CredentialUse) -> None:
        """Drop what a server refused."""
        self._kept.forget(use)


@dataclass(frozen=True, slots=True)
class HeaderSource:
    """The headers of one server's requests: `get` gives them, `forget` has what is secret of them fetched anew."""

    get: Callable[[], Awaitable[Mapping[str, str]]]
    forget: Callable[[], None]


def has_fields(headers: Headers) -> bool:
    """Whether a header wants a field of a credential."""
    return any(FIELD.search(value) for _, value in headers)


def _filled(use: CredentialUse, name: str, value: str, fields: Mapping[str, SecretStr]) -> str:
    wanted = FIELD.findall(value)
    missing = [field for field in wanted if field not in fields]
    if missing:
        raise CredentialRefused(f"{use.credential_ref} has no field {missing[0]}, which the header {name} wants.")
    filled = FIELD.sub(lambda found: fields[found[1]].get_secret_value(), value)
    if _HEADER_VALUE.fullmatch(filled) is None:
        raise CredentialRefused(f"What {use.credential_ref} holds can't stand in the header {name}.")
    return filled


def _fields_of(resolved: ResolvedCredential) -> dict[str, SecretStr]:
    if resolved.type != "mcp":
        raise CredentialFault(f"{resolved.credential_ref} is a credential of another type.")
    secret = resolved.secret
    return {_TOKEN: secret} if isinstance(secret, SecretStr) else secret
