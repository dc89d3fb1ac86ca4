"""Why a template can't be had."""

from collections.abc import Sequence

from kgents_shared.errors import Conflict, FaultItem, NotFound


class TemplateNotFound(NotFound):
    """404."""

    default_code = "template_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such template.")


class BrokenTemplate(Conflict):
    """409: the operator's directory has a template of that name that can't be used; `errors` says why."""

    default_code = "template_broken"

    def __init__(self, name: str, faults: Sequence[FaultItem]) -> None:
        count = "a fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__(f'The template "{name}" has {count}. Each is listed in errors.', errors=faults)
        self.name = name
