import pytest

from core.classes import DUBAI
from ui import charts


def test_smoothing_is_a_corrected_moving_average():
    # weight 0.5: m1 = 0.5*2 = 1, / (1-0.5) = 2 ; m2 = 0.5*1 + 0.5*4 = 2.5, / (1-0.25) = 10/3
    assert charts.smoothed([2.0, 4.0], 0.5) == pytest.approx([2.0, 10 / 3])


def test_smoothing_keeps_gaps_and_zero_weight_keeps_values():
    assert charts.smoothed([None, 3.0, None, 5.0], 0.0) == [None, 3.0, None, 5.0]
    assert charts.smoothed([3.0] * 5, 0.9) == pytest.approx([3.0] * 5)


def test_curves_show_what_there_is_and_leave_out_what_there_is_not():
    records = [
        {"epoch": 1, "loss": 1.0, "mean_iou": 0.2, "learning_rate": 1e-3},
        {"epoch": 2, "loss": 0.5, "mean_iou": 0.4, "learning_rate": 1e-3},
    ]
    figure = charts.curves(records, total=10, best=2)
    assert [trace.name for trace in figure.data] == ["training", "training"]
    assert list(figure.data[0].y) == [1.0, 0.5]
    assert figure.layout.xaxis.range == (0.5, 10.5)


def test_shares_are_percent_in_class_colours():
    figure = charts.shares(DUBAI, [0.5, 0.25, 0.25, 0.0, 0.0])
    assert list(figure.data[0].x) == [50, 25, 25, 0, 0]
    assert figure.data[0].marker.color[0] == "#3C1098"


def test_an_axis_of_epochs_has_whole_numbers_only():
    records = [{"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": 0.5}]
    assert charts.curves(records, total=2).layout.xaxis.dtick == 1
    assert charts.curves(records, total=30).layout.xaxis.dtick == 5  # 5, 10, ... 30


def test_the_rate_axis_is_logarithmic_and_names_the_ends():
    figure = charts.rate_curve([{"epoch": 1, "learning_rate": 3e-3}, {"epoch": 2, "learning_rate": 1e-4}])
    assert figure.layout.yaxis.type == "log" and figure.layout.yaxis.ticktext == ("0.0001", "0.003")


def test_the_axis_of_steps_follows_a_long_epoch_and_shows_a_short_one_whole():
    def end(at, steps):
        return charts.step_curve([1, at], [2.0, 1.0], steps=steps, title="t").layout.xaxis.range[1]

    assert end(900, 1000) == 1000.5 and end(500, 1000) == 500.5 and end(3, 1000) == 62.5
    assert end(3, 40) == 40.5 and end(1, 1) == 2.5
    drawn = charts.step_curve([4, 8], [2.0, 1.0], steps=8, title="t", before=1.5)
    assert drawn.data[0].x == (4, 8) and drawn.data[0].y == (2.0, 1.0) and drawn.layout.shapes[0].y0 == 1.5
