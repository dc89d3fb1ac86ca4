import math

from benchmarks.report import Goal, Row, as_markdown, as_text, number, table


def test_goals_compare_the_figure_or_its_ratio_to_a_reference():
    assert Goal(2, "at most").met_by(2.0, None)
    assert not Goal(2, "at most").met_by(2.1, None)
    assert Goal(1.5, "at least", "A").met_by(150, 100)
    assert not Goal(1.5, "at least", "A").met_by(149, 100)


def test_the_table_has_ratios_and_says_which_goals_are_met():
    speed = Row(
        "16 at once",
        "messages/s",
        {"B": 1000, "A": 100, "Kgents": 300},
        Goal(1.5, "at least", "A"),
        Goal(4, "at least", "A"),
    )
    nothing = Row("never measured", "ms", {})
    lines = table([speed, nothing], ["B", "A", "Kgents"], "Kgents")
    assert lines == [
        ["", "B", "A", "Kgents", "Kgents/B", "Kgents/A", "milestone", "final goal"],
        ["16 at once (messages/s)", "1,000", "100", "300", "0.30 x", "3.00 x", "≥ 1.5 x A yes", "≥ 4 x A NO"],
    ]


def test_without_our_candidate_there_are_no_ratios_and_no_verdicts():
    row = Row("p50", "ms", {"A": 7.03}, Goal(1, "at most", "A"))
    assert table([row], ["A"], "Kgents") == [
        ["", "A", "milestone", "final goal"],
        ["p50 (ms)", "7.03", "≤ 1 x A", ""],
    ]


def test_numbers_keep_three_digits_and_none_is_empty():
    assert [number(value) for value in (1234.5, 99.96, 0.123456, None, math.nan)] == ["1,234", "100", "0.123", "", ""]


def test_text_is_aligned_and_markdown_is_a_table():
    lines = [["", "A"], ["long name", "1"]]
    assert as_text(lines).splitlines() == ["           A", "long name  1"]
    assert as_markdown(lines).splitlines() == ["|  | A |", "| --- | ---: |", "| long name | 1 |"]
