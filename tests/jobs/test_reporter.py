"""The status that a reporter writes, and the wishes that it hears."""

import pytest

from core.errors import Cancelled
from core.jobs import records
from core.jobs.reporter import Reporter


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


def test_of_what_passes_the_last_is_kept_outside_the_events(tmp_path, monkeypatch):
    reporter = Reporter(tmp_path, token="t", pid=7)
    reporter.on_event({"type": "steps", "epoch": 1, "steps": 9, "at": [1], "loss": [0.5]})
    reporter.on_event({"type": "steps", "epoch": 1, "steps": 9, "at": [1, 2], "loss": [0.5, 0.4]})  # too soon to be written
    assert records.read_patiently(tmp_path / records.STEPS) == {"epoch": 1, "steps": 9, "at": [1], "loss": [0.5]}
    monkeypatch.setattr("core.jobs.reporter._PASSING_EVERY_S", 0.0)
    reporter.on_event({"type": "steps", "epoch": 2, "steps": 9, "at": [], "loss": []})
    assert records.read_patiently(tmp_path / records.STEPS)["epoch"] == 2
    assert records.read_events(tmp_path) == []


def test_who_reads_a_state_finds_it_among_the_events(tmp_path, monkeypatch):
    reporter = Reporter(tmp_path, token="t", pid=7)
    write, seen = records.write_patiently, []

    def look(path, status):
        seen.append((status["state"], records.read_events(tmp_path, kind="state")[-1]["state"]))
        write(path, status)

    monkeypatch.setattr(records, "write_patiently", look)
    for state in ("running", "finished"):
        reporter.enter(state)
    assert seen == [("running", "running"), ("finished", "finished")]


def test_a_state_is_written_though_its_event_cannot_be(tmp_path, monkeypatch):
    reporter = Reporter(tmp_path, token="t", pid=7)
    monkeypatch.setattr(records, "append_event", lambda *_: (_ for _ in ()).throw(OSError("no space left")))
    with pytest.raises(OSError, match="no space"):
        reporter.enter("failed", error="It broke.")
    status = records.read_patiently(tmp_path / records.STATUS)
    assert (status["state"], status["error"]) == ("failed", "It broke.")
