"""Pages as text: what a person reads of a page, without what stands around it."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tool_registry_service.errors import ToolCallFault

MOST_HTML_BYTES = 1_000_000
# A thread can't be stopped, and what it does grows with the square of some pages' tags: with so many it is a second.
MOST_TAGS = 20_000
_WITHIN_S = 15.0
_THREADS = 2
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Readable:
    """A page's title and its text as Markdown."""

    title: str
    text: str


class PageReader:
    """Makes pages readable in a few threads of its own: a page that takes long holds nothing else up."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="kgents-pages")
        self._free = asyncio.Semaphore(_THREADS)

    async def read(self, html: bytes, charset: str | None, url: str) -> Readable:
        """The text of a page, of its first part where it is large. Raises `ToolCallFault`."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_WITHIN_S), self._free:
                return await loop.run_in_executor(self._threads, readable, html, charset, url)
        except TimeoutError as error:
            raise ToolCallFault("The page takes too long to be made readable; ask for it raw.") from error

    def close(self) -> None:
        """Take no more pages."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def readable(html: bytes, charset: str | None, url: str) -> Readable:
    """The text of a page; everything in it where no main part is found."""
    import trafilatura  # noqa: PLC0415 -- takes longer than the rest of the service, and few starts need it

    part = b"<".join(html[:MOST_HTML_BYTES].split(b"<", MOST_TAGS + 1)[: MOST_TAGS + 1])
    content = part if charset is None else _decoded(part, charset)
    tree = trafilatura.load_html(content)
    if tree is None:
        return Readable("", "")
    title = _BLANKS.sub(" ", tree.findtext(".//title") or "").strip()[:500]
    text = trafilatura.extract(
        content, url=url, output_format="markdown", include_links=True, include_tables=True, include_comments=False
    )
    return Readable(title, text or trafilatura.html2txt(content))


def _decoded(html: bytes, charset: str) -> bytes | str:
    """As the answer's header says it, unless that names no charset: then the page itself is asked."""
    try:
        return html.decode(charset, "replace")
    except LookupError:
        return html
