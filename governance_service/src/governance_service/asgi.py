"""Production entry: `uvicorn governance_service.asgi:app`."""

from governance_service.main import create_app
from governance_service.settings import GovernanceSettings
from kgents_shared.http.ending import ending_with_signals
from kgents_shared.telemetry.logs import configure_logging

settings = GovernanceSettings.model_validate({})
configure_logging(as_json=settings.log_json, level=settings.log_level)
app = ending_with_signals(create_app(settings))
