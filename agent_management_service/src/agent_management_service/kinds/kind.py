"""The five kinds by name."""

from enum import StrEnum


class Kind(StrEnum):
    """What a thing is. Ghosts, models and shells are parts; bots are made of parts, teams of bots."""

    GHOST = "ghost"
    MODEL = "model"
    SHELL = "shell"
    BOT = "bot"
    TEAM = "team"

    @property
    def plural(self) -> str:
        """As paths, tables and commands say it."""
        return f"{self.value}s"


PARTS = (Kind.GHOST, Kind.MODEL, Kind.SHELL)
