"""What validation answers."""

from pydantic import BaseModel

from kgents_shared.definitions.examine import Report
from kgents_shared.http.openapi import Fault


class Validation(BaseModel):
    """What was found. A definition without errors would be taken; warnings tell of what is likely a mistake."""

    errors: list[Fault]
    warnings: list[Fault]


def validation_view(report: Report) -> Validation:
    """The report as it goes over the wire."""
    return Validation.model_validate(report.as_json())
