"""Imported before all else: structlog without rich, which it loads where that is installed.

It would draw tracebacks with it that show local variables, and those are no matter for a log; and it would take 40 ms
of the start.
"""

import importlib
import sys
from types import ModuleType
from typing import cast

if "structlog" not in sys.modules:
    sys.modules["rich"] = cast("ModuleType", None)
    try:
        importlib.import_module("structlog")
    finally:
        del sys.modules["rich"]
