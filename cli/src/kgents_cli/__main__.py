"""`python -m kgents_cli`, and where the `kgents` script enters: imports the command line only where it is needed."""

import sys
from typing import NoReturn


def enter() -> NoReturn:
    """Answers `server status` by itself, since scripts ask it all the time and click takes longer than the answer."""
    if sys.argv[1:3] == ["server", "status"] and set(sys.argv[3:]) <= {"--json"}:
        from kgents_cli.server_status import print_status

        sys.exit(print_status(as_json="--json" in sys.argv))
    from kgents_cli.main import main

    main()


if __name__ == "__main__":
    enter()
