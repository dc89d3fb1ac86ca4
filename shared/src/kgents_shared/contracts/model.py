"""The base of every model that crosses a wire."""

from pydantic import BaseModel, ConfigDict


class Contract(BaseModel):
    """A frozen wire model that refuses fields it doesn't know (DESIGN §12)."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
