from benchmarks.candidate import Sample
from benchmarks.load.figures import LoadFigures
from benchmarks.tracing import BARE, KEPT, TOLD, Results, rows


def test_the_figures_of_platforms_are_held_against_one_that_keeps_nothing():
    figures = LoadFigures.of([1.0] * 10, [], 1.0)
    samples = [Sample(name, "16 at once", figures, cpu) for name, cpu in ((BARE, 2.0), (KEPT, 2.1), (TOLD, 2.3))]
    cpu, told, rates, read = rows(Results({}, samples, [4.0, 6.0]))
    assert cpu.figures == {BARE: 2.0, KEPT: 2.1, TOLD: 2.3}
    assert cpu.final is not None
    assert cpu.final.met_by(cpu.figures[KEPT], cpu.figures[BARE])
    assert told.final is not None
    assert not told.final.met_by(told.figures[KEPT], None)
    assert set(rates.figures) == {BARE, KEPT, TOLD}
    assert read.figures == {KEPT: 5.0}
