import math

import pytest

from ui.train import check_charts

RATES = {"rates": [1e-4, 1e-3, 1e-2], "losses": [1.0, 0.4, 9.0], "smoothed": [1.0, 0.7, 5.0], "suggested": 1e-3}


def test_the_suggested_rate_is_marked_where_it_is():
    figure = check_charts.rate_test(RATES)
    assert figure.layout.xaxis.type == "log"
    assert figure.layout.shapes[0].x0 == 1e-3 and figure.layout.annotations[0].x == pytest.approx(math.log10(1e-3))
    low, high = figure.layout.yaxis.range
    assert low < 0.7 and 1.0 < high < 5.0  # a run that ran away does not flatten the rest


def test_a_test_without_a_suggestion_has_no_mark():
    assert not check_charts.rate_test({**RATES, "suggested": None}).layout.shapes


def test_the_proposed_batch_size_stands_out():
    sizes = [
        {"batch_size": size, "patches_per_s": rate, "peak_memory_mib": 512.0, "fits": bool(rate)} for size, rate in ((4, 3.0), (8, None))
    ]
    bars = check_charts.batch_sizes(sizes, 4).data[0]
    assert list(bars.y) == [3.0, 0] and list(bars.text) == ["0.5 GiB", "does not fit"]
    assert bars.marker.color[0] != bars.marker.color[1]


def test_a_search_has_a_line_per_batch_size_and_a_star():
    def trial(rate, size, score, rounds):
        return {"learning_rate": rate, "batch_size": size, "score": score, "rounds": rounds, "epochs": rounds, "state": "out"}

    found = {
        "monitor": "val_mean_iou",
        "best": {"learning_rate": 1e-3, "batch_size": 4, "score": 0.6},
        "trials": [trial(1e-3, 4, 0.6, 2), trial(1e-4, 4, 0.3, 1), trial(1e-3, 8, None, 0)],
    }
    figure = check_charts.search(found)
    assert [line.name for line in figure.data] == ["batches of 4", "batches of 8", "best"]
    assert list(figure.data[0].x) == [1e-4, 1e-3] and list(figure.data[1].x) == [] and figure.data[2].marker.symbol == "star"


def test_runs_are_laid_over_each_other_and_smoothed():
    figure = check_charts.compared({"a": [(1, 2.0), (2, 4.0)], "b": []}, title="Loss", unit="epoch", smoothing=0.5, log=True)
    assert list(figure.data[0].y) == pytest.approx([2.0, 10 / 3])  # as charts.smoothed has it
    assert figure.layout.yaxis.type == "log" and len(figure.data) == 2
