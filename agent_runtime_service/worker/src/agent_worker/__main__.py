"""`python -m agent_worker [FILE]`: the configuration as JSON from FILE, else from standard input."""

import sys
from pathlib import Path

from agent_worker.main import serve
from kgents_shared.contracts.worker import WorkerConfig


def main() -> None:
    """Read the configuration and serve."""
    text = Path(sys.argv[1]).read_text("utf-8") if len(sys.argv) > 1 else sys.stdin.read()
    serve(WorkerConfig.model_validate_json(text))


if __name__ == "__main__":
    main()
