"""Which of an agent's versions answers: who asks for none, for the canary, or for one by its number.

A conversation has a lane from its beginning: `stable`, `canary`, or a version's number.
"""

import re

from kgents_shared.contracts.instances import CANARY, STABLE

_SEPARATOR = "@"
_MOST = 2**31 - 1
_NUMBER = re.compile(r"[1-9][0-9]{0,9}")


def split_address(agent: str) -> tuple[str, str | None]:
    """`name@3` → the agent and the lane that is asked for; None where none is. `ValueError` for what is no lane."""
    name, separator, lane = agent.partition(_SEPARATOR)
    if not separator:
        return agent, None
    if lane not in (STABLE, CANARY) and (_NUMBER.fullmatch(lane) is None or int(lane) > _MOST):
        raise ValueError(lane)
    return name, lane


def number_of(lane: str) -> int | None:
    """The version that a lane is for; None for a labelled one."""
    return None if lane in (STABLE, CANARY) else int(lane)
