"""The secrets of MCP servers: resolved from the vault at the last moment, kept for a minute at most."""

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import SecretStr

from kgents_shared.contracts.credentials import ResolvedCredential
from kgents_shared.http.vault import CredentialFault, CredentialGone, CredentialUse, KeptSecrets, Vault, VaultAway
from tool_registry_service.errors import CredentialRefused, NeverSent, NoSuchCredential

_BEARER = re.compile(r"[\x21-\x7e]{1,8192}")


class Bearers:
    """Bearers by credential."""

    def __init__(self, vault: Vault, clock: Callable[[], float] = time.monotonic) -> None:
        self._kept = KeptSecrets(vault, _bearer_of, clock)

    async def bearer(self, use: CredentialUse, purpose: str) -> SecretStr:
        """The bearer that `use` stands for. Raises `CredentialRefused`, `NeverSent`."""
        try:
            return await self._kept.get(use, purpose)
        except CredentialGone as error:
            raise NoSuchCredential(str(error)) from None
        except VaultAway as error:
            raise NeverSent(str(error)) from None
        except CredentialFault as error:
            raise CredentialRefused(f"{error} An MCP server takes one of type mcp.") from None

    def forget(self, use: CredentialUse) -> None:
        """Drop a bearer that a server refused."""
        self._kept.forget(use)


@dataclass(frozen=True, slots=True)
class BearerSource:
    """The bearer of one server: `get` gives it, `forget` has it fetched anew."""

    get: Callable[[], Awaitable[SecretStr]]
    forget: Callable[[], None]


def _bearer_of(resolved: ResolvedCredential) -> SecretStr:
    secret = resolved.secret
    bearer = secret if isinstance(secret, SecretStr) else secret.get("token")
    if resolved.type != "mcp" or bearer is None or _BEARER.fullmatch(bearer.get_secret_value()) is None:
        raise CredentialFault(
            f"{resolved.credential_ref} can't be sent as a bearer: it must be a text, or an object with the field "
            "token, without spaces."
        )
    return bearer
