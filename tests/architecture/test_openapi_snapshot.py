"""The API is what docs/openapi.json says: a change of it is a change that somebody reads.

`KGENTS_UPDATE_SNAPSHOTS=1 ./kgents test --no-lint tests/architecture/test_openapi_snapshot.py` writes it anew.
"""

from __future__ import annotations

import json
import os

from platform_host.openapi_document import merged_openapi
from tests.architecture.service_apps import SNAPSHOT, service_apps


def test_the_document_of_all_services_is_the_recorded_one():
    document = json.dumps(merged_openapi(service_apps(), "0.1.0"), indent=1, sort_keys=True) + "\n"
    if os.environ.get("KGENTS_UPDATE_SNAPSHOTS") == "1":
        SNAPSHOT.write_text(document, "utf-8")
    assert document == SNAPSHOT.read_text("utf-8"), "the API changed: read the difference and record it (see above)"
