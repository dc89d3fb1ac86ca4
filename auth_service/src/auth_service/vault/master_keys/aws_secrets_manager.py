"""`aws_secrets_manager`: one secret of AWS Secrets Manager. boto3 blocks, hence the threads.

Who this process is to AWS comes from boto3's own chain (environment, profile, the container's or machine's role).
"""

import asyncio
import threading
from typing import Any, cast

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from auth_service.vault.master_keys.provider import KeyStoreReadOnly, MasterKeyError
from auth_service.vault.master_keys.ring import KeyRing, MasterKey

_CONFIG = Config(connect_timeout=5, read_timeout=5, retries={"max_attempts": 2, "mode": "standard"})
_DENIED = frozenset({"AccessDeniedException", "AccessDenied"})


class AwsSecretsManagerKeys:
    """Master keys in the SecretString of the secret `name`."""

    def __init__(self, name: str, *, region: str | None, endpoint_url: str | None) -> None:
        self._name = name
        self._region = region
        self._endpoint_url = endpoint_url
        self._made: Any = None
        self._making = threading.Lock()

    @property
    def place(self) -> str:
        """The secret's name."""
        return f"the secret {self._name} of AWS Secrets Manager"

    async def load(self) -> KeyRing | None:
        """The keys in the secret's current version, None where there is no such secret."""
        return await asyncio.to_thread(self._load)

    async def add(self, key: MasterKey) -> None:
        """Put a new version of the secret, or make it."""
        await asyncio.to_thread(self._add, key)

    async def close(self) -> None:
        """Close the client's connections."""
        if self._made is not None:
            await asyncio.to_thread(self._made.close)

    def _client(self) -> Any:
        with self._making:
            if self._made is None:
                maker = cast("Any", Session())
                self._made = maker.client(
                    "secretsmanager", region_name=self._region, endpoint_url=self._endpoint_url, config=_CONFIG
                )
            return self._made

    def _load(self) -> KeyRing | None:
        try:
            answer = self._client().get_secret_value(SecretId=self._name)
        except ClientError as error:
            if _code(error) == "ResourceNotFoundException":
                return None
            raise self._refused("read", error) from error
        except (BotoCoreError, ValueError) as error:
            raise self._away(error) from error
        try:
            return KeyRing.parse(str(answer.get("SecretString", "")))
        except ValueError as error:
            raise MasterKeyError(f"{self.place} holds no master keys ({error}): put back its earlier version") from None

    def _add(self, key: MasterKey) -> None:
        found = self._load()
        try:
            if found is None:
                self._client().create_secret(Name=self._name, SecretString=KeyRing((key,)).as_text())
            else:
                self._client().put_secret_value(SecretId=self._name, SecretString=found.with_newest(key).as_text())
        except ClientError as error:
            if _code(error) in _DENIED:
                raise KeyStoreReadOnly(
                    f"{self.place} can't be written by this process: allow it secretsmanager:CreateSecret and "
                    "secretsmanager:PutSecretValue, or put a new key first in it yourself (openssl rand -base64 32)"
                ) from error
            raise self._refused("write", error) from error
        except BotoCoreError as error:
            raise self._away(error) from error

    def _refused(self, what: str, error: ClientError) -> MasterKeyError:
        return MasterKeyError(
            f"AWS refused to {what} {self.place} ({_code(error)}): AUTH_VAULT_KEY_NAME must name a secret that this "
            "process may read, and that isn't marked for deletion"
        )

    def _away(self, error: Exception) -> MasterKeyError:
        return MasterKeyError(
            f"{self.place} can't be reached ({type(error).__name__}: {error}): see to AUTH_VAULT_AWS_REGION, "
            "AUTH_VAULT_AWS_ENDPOINT_URL and the AWS credentials of this process"
        )


def _code(error: ClientError) -> str:
    return str(cast("Any", error).response.get("Error", {}).get("Code", "unknown"))
