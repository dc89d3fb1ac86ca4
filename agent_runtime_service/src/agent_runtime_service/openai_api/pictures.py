"""Pictures of a request: as `data:` URLs, since what has an address would be fetched by somebody."""

import re
from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from agent_runtime_service.messages.images import MOST_IMAGES, checked_images
from kgents_shared.contracts.worker import Image
from kgents_shared.errors import FaultItem, InvalidInput
from kgents_shared.errors.validation import faults_of

_DATA: Final = re.compile(r"data:(image/[a-z]+);base64,(.+)", re.DOTALL)
_IMAGES: Final = TypeAdapter(
    Annotated[tuple[Image, ...], Field(max_length=MOST_IMAGES), AfterValidator(checked_images)]
)


def pictures(urls: Sequence[str], place: tuple[str | int, ...]) -> tuple[Image, ...]:
    """The images of one message at `place`; raises `InvalidInput`."""
    rows: list[dict[str, str]] = []
    for url in urls:
        found = _DATA.fullmatch(url)
        if found is None:
            msg = "has an image that isn't a data: URL with base64; pictures are sent, not linked to"
            raise InvalidInput("The request can't be taken.", errors=[FaultItem(place, msg, "image_not_data")])
        rows.append({"media_type": found[1], "data": found[2]})
    try:
        return _IMAGES.validate_python(rows)
    except ValidationError as error:
        raise InvalidInput(
            "The request can't be taken.",
            errors=[
                FaultItem((*place, *fault.loc), fault.msg, fault.code, fault.hint)
                for fault in faults_of(error.errors())
            ],
        ) from None
