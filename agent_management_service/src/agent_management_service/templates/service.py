"""The templates that there are: the built-in ones, and over them those of the operator's directory."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import structlog

from agent_management_service.templates.errors import BrokenTemplate, TemplateNotFound
from agent_management_service.templates.loading import METADATA_FILE, Template, load_template

_log = structlog.get_logger("kgents.management.templates")
CATALOG = Path(__file__).parent / "catalog"


@dataclass(frozen=True, slots=True)
class TemplateLibrary:
    """Reads `directory` anew each time, so that a template that is saved is there; its own win over built-in ones.

    Reading blocks: call it in a thread.
    """

    directory: Path | None = None

    def all(self, search: str | None = None, tag: str | None = None) -> list[Template]:
        """Every usable template by name. A broken one of the directory is left out and told in the log."""
        found = {template.name: template for template in _built_in()}
        for folder in self._folders():
            try:
                found[folder.name] = load_template(folder, "directory")
            except BrokenTemplate as broken:
                found.pop(folder.name, None)
                _log.warning(
                    "template_broken", template=folder.name, faults=[fault.as_json() for fault in broken.errors]
                )
        chosen = (one for one in found.values() if _matches(one, search, tag))
        return sorted(chosen, key=lambda template: template.name)

    def get(self, name: str) -> Template:
        """One template; `TemplateNotFound`, or `BrokenTemplate` with its faults."""
        own = next((folder for folder in self._folders() if folder.name == name), None)
        if own is not None:
            return load_template(own, "directory")
        found = next((template for template in _built_in() if template.name == name), None)
        if found is None:
            raise TemplateNotFound
        return found

    def _folders(self) -> list[Path]:
        """The directory's folders that are meant as templates."""
        if self.directory is None:
            return []
        try:
            return sorted(entry for entry in self.directory.iterdir() if (entry / METADATA_FILE).is_file())
        except OSError as error:
            # It was there at the start. The built-in ones still are.
            _log.error("templates_directory_unreadable", directory=str(self.directory), error=error.strerror)
            return []


@cache
def _built_in() -> tuple[Template, ...]:
    return tuple(load_template(folder, "built_in") for folder in sorted(CATALOG.iterdir()))


def _matches(template: Template, search: str | None, tag: str | None) -> bool:
    if tag is not None and tag not in template.metadata.tags:
        return False
    words = (search or "").casefold().split()
    text = " ".join((template.name, template.metadata.description, *template.metadata.tags)).casefold()
    return all(word in text for word in words)
