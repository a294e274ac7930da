"""The estimate of the time left, by a clock that the test turns, and the status that a reporter writes."""

import pytest

from core.errors import Cancelled
from core.jobs import records
from core.jobs.reporter import Pace, Reporter


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


def test_states_are_written_at_once_and_noted(tmp_path):
    reporter = Reporter(tmp_path, token="t", pid=7)
    reporter.enter("running", started=5.0)
    reporter.on_progress(1, 4, "Windows")
    reporter.enter("finished")
    status = records.read_patiently(tmp_path / records.STATUS)
    assert (status["state"], status["started"], status["done"], status["total"]) == ("finished", 5.0, 1, 4)
    assert (status["worker"], status["pid"], status["message"]) == ("t", 7, "Windows")
    assert [event["state"] for event in records.read_events(tmp_path)] == ["running", "finished"]


def test_a_stop_is_heard_while_working_and_while_waiting(tmp_path):
    reporter = Reporter(tmp_path, token="t", pid=7)
    assert not reporter.should_stop()
    reporter.on_wait("front")
    assert records.read_patiently(tmp_path / records.STATUS)["waits_for"] == "front"
    records.write_control(tmp_path, "stop")
    assert reporter.should_stop()
    with pytest.raises(Cancelled):
        reporter.on_wait("front")


def test_a_signal_ends_a_pause(tmp_path):
    reporter = Reporter(tmp_path, token="t", pid=7)
    reporter.terminate(15, None)
    records.write_control(tmp_path, "pause")
    assert reporter.should_stop()


def test_a_new_worker_keeps_the_time_of_creation(tmp_path):
    records.write_patiently(tmp_path / records.STATUS, {**records.blank_status("died"), "created": 12.0, "error": "old"})
    reporter = Reporter(tmp_path, token="t", pid=7)
    reporter.enter("running")
    status = records.read_patiently(tmp_path / records.STATUS)
    assert status["created"] == 12.0 and status["error"] is None
