from benchmarks.context import LONG, NEW, PINNED, SHORT, Results, rows


def test_what_the_context_adds_is_told_beside_a_new_conversations_time():
    times = {NEW: [3.0], SHORT: [4.0], LONG: [4.5], PINNED: [2.0]}
    shown = {row.what: row for row in rows(Results({}, 10_000, times_ms=times))}
    assert shown["a message, p50: 10,000 messages"].figures == {"Kgents": 4.5}
    added = {what.removeprefix("added by the context: "): row for what, row in shown.items() if row.final is not None}
    assert {what: row.figures["Kgents"] for what, row in added.items()} == {
        "20 messages": 1.0, "10,000 messages": 1.5, PINNED: 0.0,
    }  # fmt: skip
