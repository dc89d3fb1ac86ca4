"""Which spans of a trace somebody wants to see."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from agent_runtime_service.traces.schemas import Span


@dataclass(frozen=True, slots=True)
class SpanFilter:
    """Spans of these kinds (all, where there are none), with a text in them, and as slow as that."""

    kinds: Collection[str] = ()
    text: str | None = None
    slower_than_ms: float | None = None

    @property
    def asks_for_something(self) -> bool:
        """Whether anything is left out."""
        return bool(self.kinds) or self.text is not None or self.slower_than_ms is not None

    def matches(self, span: Span) -> bool:
        """Whether the span is one of those; one that is still going on is as slow as anything."""
        if self.kinds and span.kind not in self.kinds:
            return False
        if self.slower_than_ms is not None and (span.duration_ms or float("inf")) < self.slower_than_ms:
            return False
        return self.text is None or self.text.casefold() in span.model_dump_json().casefold()


def kept(spans: Sequence[Span], wanted: SpanFilter) -> list[Span]:
    """The spans that match, with all that they are part of, marked as such."""
    if not wanted.asks_for_something:
        return list(spans)
    by_id = {span.id: span for span in spans}
    matching = {span.id for span in spans if wanted.matches(span)}
    around: set[str] = set()
    for span_id in matching:
        parent = by_id[span_id].parent_id
        while parent is not None and parent not in around:
            around.add(parent)
            parent = by_id[parent].parent_id
    return [
        span if span.id in matching else span.model_copy(update={"matched": False})
        for span in spans
        if span.id in matching or span.id in around
    ]


def failed_at(spans: Sequence[Span]) -> tuple[str, ...]:
    """The way from the run to what it failed by: at each place the last thing below that failed too."""
    if not spans or spans[0].status != "error":
        return ()
    way = [spans[0].id]
    while True:
        below = [span for span in spans if span.parent_id == way[-1] and span.status == "error"]
        if not below:
            return tuple(way)
        way.append(below[-1].id)
