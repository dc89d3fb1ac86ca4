"""The protocol's configurations of push notifications as what is kept, and back."""

import re
from typing import Final
from uuid import UUID

from a2a.types.a2a_pb2 import AuthenticationInfo, TaskPushNotificationConfig
from a2a.utils.errors import InvalidParamsError

from agent_runtime_service.a2a_protocol.push_rows import Push
from kgents_shared.contracts.credentials import CREDENTIAL_REF

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,39}")


def push_of(config: TaskPushNotificationConfig, run_id: UUID, owner_id: str, *, is_old: bool) -> Push:
    """What a client wants; its id is the task's where it gives none. Raises `InvalidParamsError`.

    No secret is kept here: where the receiver wants one, it is one of the vault's, by reference.
    """
    scheme, ref = config.authentication.scheme or None, config.authentication.credentials or None
    if ref is not None and re.fullmatch(CREDENTIAL_REF, ref) is None:
        raise InvalidParamsError(
            "The credentials of a push notification are a reference (cred_…) to what POST /api/v1/credentials keeps, "
            "of the type generic or platform: secrets aren't taken here."
        )
    if ref is not None and (scheme is None or _SCHEME.fullmatch(scheme) is None):
        raise InvalidParamsError("The scheme of a push notification's authentication is a word such as Bearer.")
    return Push(
        run_id, config.id or str(run_id), owner_id, config.url, token=config.token or None,
        scheme=scheme if ref is not None else None, credential_ref=ref, is_old=is_old,
    )  # fmt: skip


def config_of(push: Push) -> TaskPushNotificationConfig:
    """What is kept, as its owner reads it; the token is shown to nobody but the receiver."""
    authentication = None
    if push.credential_ref is not None:
        authentication = AuthenticationInfo(scheme=push.scheme or "", credentials=push.credential_ref)
    return TaskPushNotificationConfig(id=push.id, task_id=str(push.run_id), url=push.url, authentication=authentication)
