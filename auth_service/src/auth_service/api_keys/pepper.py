"""The pepper: what API keys are hashed with, kept outside the database."""

import secrets
from pathlib import Path

from auth_service.secret_file import SecretFileMissing, make_secret_file

_BYTES = 32
_ADVICE = "AUTH_API_KEY_PEPPER_FILE must name a file of at least 32 random bytes that this process may read"


class PepperError(RuntimeError):
    """The pepper can't be had; the sentence says why and what to do."""


class Pepper:
    """Read by `load`; before that it is empty."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.value = b""

    def load(self) -> None:
        """Read the file, making it where it is missing. Blocking. Raises PepperError."""
        try:
            if not self._file.exists():
                make_secret_file(self._file, lambda: secrets.token_bytes(_BYTES))
            value = self._file.read_bytes()
        except SecretFileMissing as error:
            raise PepperError(f"{error}: {_ADVICE}") from error
        except OSError as error:
            raise PepperError(f"{self._file} can't be read ({error.strerror}): {_ADVICE}") from error
        if len(value) < _BYTES:
            raise PepperError(f"{self._file} is too short to be a secret: {_ADVICE}")
        self.value = value
