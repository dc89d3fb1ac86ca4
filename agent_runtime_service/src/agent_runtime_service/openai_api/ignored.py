"""What a request says in vain: settings that an agent's definition makes."""

from pydantic import BaseModel

from agent_runtime_service.openai_api.chat_schemas import IGNORED


def ignored_in(body: BaseModel) -> dict[str, str]:
    """The header that names what was ignored; none where nothing was."""
    names = sorted(name for name in body.model_fields_set & IGNORED if getattr(body, name) is not None)
    return {"x-kgents-ignored": ", ".join(names)} if names else {}
