"""A job's files read while they are written, and after their writer was killed in the middle of a line."""

from core.jobs import records


def test_events_come_back_in_order_and_by_type(tmp_path):
    records.append_event(tmp_path, {"type": "epoch", "loss": float("nan"), "name": "Straße"})
    records.append_event(tmp_path, {"type": "state", "state": "finished"})
    events = records.read_events(tmp_path)
    assert [event["type"] for event in events] == ["epoch", "state"]
    assert events[0]["loss"] is None and events[0]["name"] == "Straße"
    assert events[0]["time"] <= events[1]["time"]
    assert [event["type"] for event in records.read_events(tmp_path, kind="state")] == ["state"]


def test_a_line_without_its_end_is_left_out_and_mended(tmp_path):
    records.append_event(tmp_path, {"type": "epoch", "epoch": 1})
    with (tmp_path / records.EVENTS).open("a") as file:
        file.write('{"time": 5.0, "type": "epoch", "epo')
    assert [event["epoch"] for event in records.read_events(tmp_path)] == [1]
    records.mend_events(tmp_path)
    records.append_event(tmp_path, {"type": "epoch", "epoch": 2})
    assert [event["epoch"] for event in records.read_events(tmp_path)] == [1, 2]


def test_a_first_line_without_its_end_leaves_nothing(tmp_path):
    (tmp_path / records.EVENTS).write_text('{"type"')
    assert records.read_events(tmp_path) == []
    records.mend_events(tmp_path)
    assert (tmp_path / records.EVENTS).read_bytes() == b""


def test_no_files_mean_no_events_no_wish_and_no_worker(tmp_path):
    records.mend_events(tmp_path)
    assert records.read_events(tmp_path) == []
    assert records.read_control(tmp_path) == ""
    assert records.read_patiently(tmp_path / records.STATUS) is None
    assert not records.is_locked(tmp_path / records.LOCK)


def test_wishes_are_left_and_taken_back(tmp_path):
    records.write_control(tmp_path, "pause")
    assert records.read_control(tmp_path) == "pause"
    records.write_control(tmp_path, "")
    records.write_control(tmp_path, "")
    assert records.read_control(tmp_path) == ""


def test_a_lock_is_seen_while_held_and_looking_does_not_take_it(tmp_path):
    lock = records.worker_lock(tmp_path)
    with lock:
        assert records.is_locked(tmp_path / records.LOCK)
    assert not records.is_locked(tmp_path / records.LOCK)
    with lock:
        assert records.is_locked(tmp_path / records.LOCK)
