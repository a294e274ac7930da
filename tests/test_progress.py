"""The progress of a part is told as that of the whole; the time left is estimated, by a clock that the test turns."""

from itertools import pairwise

import numpy as np
import pytest

from core.progress import Countdown, Pace, StepCurve, part, report


def test_a_part_is_told_as_its_share_of_the_whole():
    heard = []
    second = part(lambda *told: heard.append(told), 1, 3, 4, message=lambda words: f"town: {words}")
    for done in (0, 5, 10):
        report(second, done, 10, "cutting")
    # From 1 to 3 of 4 in thousandths: half of the part is 2 of 4.
    assert heard == [(1000, 4000, "town: cutting"), (2000, 4000, "town: cutting"), (3000, 4000, "town: cutting")]


def test_a_part_of_a_part():
    heard = []
    outer = part(lambda *told: heard.append(told), 0.5, 1, 1)
    report(part(outer, 1, 2, 2), 1, 2, "writing")
    # The inner one is at 3/4 of the outer one, which is the second half.
    assert heard == [(875, 1000, "writing")]


def test_a_part_of_unknown_length_stays_at_its_beginning():
    heard = []
    report(part(lambda *told: heard.append(told), 2, 3, 4), 7, 0, "opening")
    assert heard == [(2000, 4000, "opening")]


def test_nobody_listens():
    assert part(None, 0, 1, 2) is None


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_seconds_left_follow_from_the_speed_of_this_stretch():
    clock = Clock()
    pace = Pace(clock)
    assert pace.left_s(0, 10) is None
    clock.now += 4.0
    # 2 done in 4 s: 8 left take 16 s.
    assert pace.left_s(2, 10) == pytest.approx(16.0)
    clock.now += 1.0
    # 5 done in 5 s: 5 left take 5 s.
    assert pace.left_s(5, 10) == pytest.approx(5.0)


def test_waiting_does_not_count():
    clock = Clock()
    pace = Pace(clock)
    pace.left_s(0, 10)
    clock.now += 2.0
    clock.now += 50.0
    pace.skip(50.0)
    assert pace.left_s(2, 10) == pytest.approx(8.0)


def test_a_new_total_or_a_count_that_goes_back_begins_a_new_stretch():
    clock = Clock()
    pace = Pace(clock)
    pace.left_s(0, 10)
    clock.now += 9.0
    assert pace.left_s(9, 10) == pytest.approx(1.0)
    assert pace.left_s(0, 20) is None
    clock.now += 2.0
    # 1 done in 2 s of this stretch: 19 left take 38 s.
    assert pace.left_s(1, 20) == pytest.approx(38.0)
    assert pace.left_s(0, 20) is None


def test_an_unknown_total_has_no_end():
    pace = Pace(Clock())
    assert pace.left_s(0, 0) is None
    assert pace.left_s(5, 0) is None


def test_a_resumed_work_counts_only_its_own_steps():
    clock = Clock()
    pace = Pace(clock)
    pace.left_s(80, 100)
    clock.now += 10.0
    # 10 steps in 10 s, although 90 are done: 10 left take 10 s.
    assert pace.left_s(90, 100) == pytest.approx(10.0)


def test_a_time_that_is_told_runs_with_the_clock_and_rises_only_where_it_is_much_later():
    clock = Clock()
    countdown = Countdown(clock)
    assert countdown.told_s(None) is None
    assert countdown.told_s(40.0) == pytest.approx(40.0)
    clock.now += 2.0
    # 44 s now instead of 38: by less than 0.4 * 38 later, so the clock alone counts.
    assert countdown.told_s(44.0) == pytest.approx(38.0)
    # 18 s instead of 38: a quarter of the way there.
    assert countdown.told_s(18.0) == pytest.approx(33.0)
    # 60 s instead of 33: later by more than 0.4 * 33.
    assert countdown.told_s(60.0) == pytest.approx(60.0)
    clock.now += 100.0
    assert countdown.told_s(4.0) == pytest.approx(4.0)  # the time that was told is over
    clock.now += 6.0
    assert countdown.told_s(1.0) == 0.0
    countdown.skip(50.0)
    assert countdown.told_s(60.0) == pytest.approx(48.0)


def test_the_time_that_is_told_wavers_less_than_the_estimate():
    clock, rng = Clock(), np.random.default_rng(3)
    countdown, estimates, told = Countdown(clock), [], []
    for second in range(60):
        estimates.append((60 - second) * rng.uniform(0.8, 1.25))
        told.append(countdown.told_s(estimates[-1]))
        clock.now += 1.0
    rises = [sum(after > before for before, after in pairwise(one)) for one in (estimates, told)]
    assert rises[0] > 20 and rises[1] <= 3


def test_the_curve_of_an_epoch_holds_the_loss_of_its_steps_and_not_the_mean_so_far():
    curve = StepCurve()
    for step, mean in enumerate((4.0, 3.0, 3.0), start=1):  # of the losses 4, 2, 3
        curve.add(step, mean)
    assert curve.points == [(1, 4.0), (2, 2.0), (3, 3.0)]


def test_the_curve_of_a_long_epoch_stays_short_and_its_points_are_means_of_equally_many_steps():
    curve, total = StepCurve(), 0.0
    for step in range(1, 1001):
        total += step  # a step's loss is its number
        curve.add(step, total / step)
    assert 100 <= len(curve.points) < StepCurve.MOST
    assert curve.points[0] == (8, pytest.approx(4.5)) and curve.points[-1] == (1000, pytest.approx(996.5))
