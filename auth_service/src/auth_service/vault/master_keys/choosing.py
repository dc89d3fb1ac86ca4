"""The store that the settings name. The libraries of the others are never imported."""

import asyncio

from auth_service.settings import AuthSettings
from auth_service.vault.master_keys.local_file import LocalKeyFile
from auth_service.vault.master_keys.provider import KeyProvider, MasterKeyError


async def key_provider(settings: AuthSettings) -> KeyProvider:
    """The provider; raises `MasterKeyError` where its settings are not complete."""
    if settings.vault_key_provider == "local":
        return LocalKeyFile(settings.vault_key_file or settings.signing_key_file.with_name("vault-keys"))
    return await asyncio.to_thread(_remote, settings)


def _remote(settings: AuthSettings) -> KeyProvider:
    if settings.vault_key_provider == "aws_secrets_manager":
        from auth_service.vault.master_keys.aws_secrets_manager import AwsSecretsManagerKeys  # noqa: PLC0415

        return AwsSecretsManagerKeys(
            settings.vault_key_name, region=settings.vault_aws_region, endpoint_url=settings.vault_aws_endpoint_url
        )
    if settings.vault_hashicorp_url is None or settings.vault_hashicorp_token is None:
        raise MasterKeyError(
            "AUTH_VAULT_KEY_PROVIDER=vault needs AUTH_VAULT_HASHICORP_URL and AUTH_VAULT_HASHICORP_TOKEN"
        )
    from auth_service.vault.master_keys.hashicorp_vault import HashicorpVaultKeys  # noqa: PLC0415

    return HashicorpVaultKeys(
        settings.vault_key_name,
        url=settings.vault_hashicorp_url,
        token=settings.vault_hashicorp_token,
        mount=settings.vault_hashicorp_mount,
    )
