"""Old refresh tokens go away once nobody in their family can use one."""

import asyncio

import structlog

from auth_service.storage import Storage

_log = structlog.get_logger("auth.sweeping")
_EVERY_S = 3600.0


class Sweeping:
    """Deletes the families whose every token has expired, once an hour."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def run(self) -> None:
        """Sweep for ever; raises what went wrong, to be run again."""
        while True:
            await asyncio.sleep(_EVERY_S)
            async with self._storage.transaction() as work:
                deleted = await work.refresh_tokens.delete_expired_families()
                await work.revocations.delete_expired()
                await work.mail.delete_expired()
                await work.oidc_attempts.delete_expired()
                await work.limits.delete_full()
                await work.clients.delete_expired()
                await work.signing_keys.delete_ended()
            _log.info("refresh_tokens_swept", deleted=deleted)
