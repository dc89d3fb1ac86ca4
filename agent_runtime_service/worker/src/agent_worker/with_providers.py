"""The entry: `agent_worker.main` for agents whose models have wires of their own.

Importing this imports what those take, a second's work and tens of megabytes, once for all workers that are forked from
who did.
"""

from agent_worker.main import serve
from agent_worker.provider_model import import_all

__all__ = ["serve"]

import_all()
