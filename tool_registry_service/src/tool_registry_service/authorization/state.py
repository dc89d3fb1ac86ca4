"""The `state` that goes to an authorization server and comes back from there."""

import hashlib


def state_hash(state: str) -> str:
    """What is stored of a `state`, which opens the way back for whoever has it."""
    return hashlib.sha256(state.encode("utf-8", "replace")).hexdigest()
