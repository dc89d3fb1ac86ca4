"""Production entry: `uvicorn nl_agent_service.asgi:app`."""

from kgents_shared.telemetry.logs import configure_logging
from nl_agent_service.main import create_app
from nl_agent_service.settings import NlSettings

settings = NlSettings.model_validate({})
configure_logging(as_json=settings.log_json, level=settings.log_level)
app = create_app(settings)
