"""The auth service's process, as its image starts it: `python -m benchmarks.identity.server --core N`.

It reads its settings from AUTH_* and tells `{"port"}` on stdout. All its threads run on that one core.
"""

import argparse

from benchmarks.cores import stay_on
from benchmarks.references.server import serve_reference


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--core", type=int, required=True)
    stay_on({parser.parse_args().core})
    from auth_service.asgi import app  # noqa: PLC0415 -- its threads inherit the core

    serve_reference(app)


if __name__ == "__main__":
    main()
