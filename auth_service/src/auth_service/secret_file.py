"""Files that hold a secret of this service: 0600, made where they are missing."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path


class SecretFileMissing(RuntimeError):
    """The file isn't there and can't be made; `reason` is the system's word for it."""

    def __init__(self, file: Path, error: OSError) -> None:
        super().__init__(f"{file} is missing and can't be made ({error.strerror})")


def make_secret_file(file: Path, make: Callable[[], bytes]) -> None:
    """Write what `make` gives beside its place and link it there: half a file is never seen, another process's never
    lost. Blocking. Raises SecretFileMissing.
    """
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise SecretFileMissing(file, error) from error
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(make())
            stream.flush()
            os.fsync(stream.fileno())
        os.link(draft, file)
    except FileExistsError:
        return
    except OSError as error:
        raise SecretFileMissing(file, error) from error
    finally:
        draft.unlink(missing_ok=True)
