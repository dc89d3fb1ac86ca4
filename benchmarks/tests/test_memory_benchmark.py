from benchmarks.memory import MEANING, OF_MANY, PUT, Results, rows, text_of


def test_the_table_has_medians_the_slowest_twentieth_and_what_is_found():
    results = Results({}, 100_000, built_s=60.0, index_mb=195.0, recall=0.99)
    results.times_ms = {PUT: [1.0, 2.0, 3.0], MEANING: [float(number) for number in range(100)], OF_MANY: [2.0]}
    results.exact_ms = [12.0]
    shown = {row.what: row for row in rows(results)}
    assert shown["put, a new key, p50"].figures == {"Kgents": 2.0}
    assert shown["search by meaning, 100,000 x 384, p50"].figures == {"Kgents": 49.5, "every vector compared": 12.0}
    assert shown["search by meaning, 100,000 x 384, p95"].figures == {"Kgents": 95.0}
    assert shown["recall of the nearest ten"].figures["Kgents"] == 0.99


def test_the_words_of_texts_are_as_common_as_in_texts_of_people():
    texts = [set(text_of(number).split()) for number in range(2000)]
    often = max(sum(word in text for text in texts) for word in texts[0] | texts[1] | texts[2])
    assert 1 <= often < 100
