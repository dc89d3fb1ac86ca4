import uvloop

from benchmarks.routing import CHOOSING, GOING_ON, IN_CONTEXT, LEARNING, NEW, ROUTED, choose, rows
from benchmarks.times import Times


def test_what_is_added_is_told_beside_the_plain_messages_time():
    results = Times({}, times_ms={NEW: [3.0], ROUTED: [4.0], GOING_ON: [3.0], IN_CONTEXT: [2.5]})
    uvloop.run(choose(51, results))
    assert (len(results.times_ms[CHOOSING]), len(results.times_ms[LEARNING])) == (49, 2)
    added = {row.what: row.figures["Kgents"] for row in rows(results) if row.final is not None}
    assert added == {
        "added by routing by capability, with discovery": 1.0,
        "added by a context's management of a message": 0.0,
    }
