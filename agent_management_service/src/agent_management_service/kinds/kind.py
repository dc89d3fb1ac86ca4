"""What has an owner and a name of its own, by kind: the five kinds, and wrappers and profiles of agents."""

from enum import StrEnum


class Kind(StrEnum):
    """What a thing is. Ghosts, models and shells are parts; bots are made of parts, teams of bots.

    Wrappers and profiles are of agents, and kept in the same way.
    """

    GHOST = "ghost"
    MODEL = "model"
    SHELL = "shell"
    BOT = "bot"
    TEAM = "team"
    WRAPPER = "wrapper"
    PROFILE = "profile"

    @property
    def plural(self) -> str:
        """As paths, tables and commands say it."""
        return f"{self.value}s"


PARTS = (Kind.GHOST, Kind.MODEL, Kind.SHELL)
