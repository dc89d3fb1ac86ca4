"""`vault`: one secret of a HashiCorp Vault's KV engine, version 2. hvac blocks, hence the threads."""

import asyncio
from typing import Any, cast

import hvac
from hvac.exceptions import Forbidden, InvalidPath, Unauthorized, VaultError
from pydantic import SecretStr
from requests import RequestException

from auth_service.vault.master_keys.provider import KeyStoreReadOnly, MasterKeyError
from auth_service.vault.master_keys.ring import KeyRing, MasterKey

_TIMEOUT_S = 5
_FIELD = "keys"


class HashicorpVaultKeys:
    """Master keys in the field `keys` of the secret `path`, below the engine's `mount`."""

    def __init__(self, path: str, *, url: str, token: SecretStr, mount: str) -> None:
        self._path = path
        self._mount = mount
        self._client = hvac.Client(url=url, token=token.get_secret_value(), timeout=_TIMEOUT_S, allow_redirects=False)

    @property
    def place(self) -> str:
        """The secret's path."""
        return f"the secret {self._mount}/{self._path} of HashiCorp Vault"

    async def load(self) -> KeyRing | None:
        """The keys in the newest version, None where there is none."""
        ring, _ = await asyncio.to_thread(self._load)
        return ring

    async def add(self, key: MasterKey) -> None:
        """Write the next version, if nobody else has meanwhile."""
        await asyncio.to_thread(self._add, key)

    async def close(self) -> None:
        """Close the client's connections."""
        await asyncio.to_thread(cast("Any", self._client).adapter.close)

    def _load(self) -> tuple[KeyRing | None, int]:
        """The ring, and the version that it is of; a deleted version counts as none."""
        try:
            answer: Any = self._kv.read_secret_version(
                path=self._path, mount_point=self._mount, raise_on_deleted_version=True
            )
        except InvalidPath as error:
            return None, _deleted_version(error)
        except (Forbidden, Unauthorized) as error:
            raise self._refused("read") from error
        except (VaultError, RequestException, ValueError) as error:
            raise self._away(error) from error
        data = answer["data"]
        try:
            return KeyRing.parse(str((data["data"] or {}).get(_FIELD, ""))), int(data["metadata"]["version"])
        except ValueError as error:
            raise MasterKeyError(f"{self.place} holds no master keys ({error}): roll back to its version before") from (
                None
            )

    def _add(self, key: MasterKey) -> None:
        found, version = self._load()
        ring = KeyRing((key,)) if found is None else found.with_newest(key)
        try:
            self._kv.create_or_update_secret(
                path=self._path, mount_point=self._mount, cas=version, secret={_FIELD: ring.as_text()}
            )
        except (Forbidden, Unauthorized) as error:
            raise KeyStoreReadOnly(
                f"{self.place} can't be written with this token: give its policy create and update, or put a new key "
                "first in it yourself (openssl rand -base64 32)"
            ) from error
        except (VaultError, RequestException) as error:
            raise self._away(error) from error

    @property
    def _kv(self) -> Any:
        return cast("Any", self._client).secrets.kv.v2

    def _refused(self, what: str) -> MasterKeyError:
        return MasterKeyError(
            f"HashiCorp Vault refused to let this process {what} {self.place}: AUTH_VAULT_HASHICORP_TOKEN must be a "
            "token that is valid and whose policy allows it"
        )

    def _away(self, error: Exception) -> MasterKeyError:
        return MasterKeyError(
            f"{self.place} can't be used ({type(error).__name__}): AUTH_VAULT_HASHICORP_URL must name a server that "
            "answers and is unsealed"
        )


def _deleted_version(error: InvalidPath) -> int:
    """The number of a version that was deleted, which the next write has to name; 0 where there never was one."""
    body: Any = getattr(error, "json", None)
    try:
        return int(body["data"]["metadata"]["version"])
    except (TypeError, KeyError, ValueError):
        return 0
