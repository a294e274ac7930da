import pytest
import streamlit as st

from ui import state


@pytest.fixture(autouse=True)
def session(tmp_path, monkeypatch):
    """A new workspace and a session that can be begun again."""
    monkeypatch.setenv("GROUNDLINE_WORKSPACE", str(tmp_path / "workspace"))
    begin(monkeypatch)


def begin(monkeypatch):
    monkeypatch.setattr(st, "session_state", {})


def made(tmp_path, *names):
    for name in names:
        (tmp_path / name).mkdir()
    return [tmp_path / name for name in names]


def test_a_new_session_finds_the_last_selection_as_far_as_it_still_exists(tmp_path, monkeypatch):
    city, patches = made(tmp_path, "city", "patches")
    state.select(dataset=city, prepared=patches)
    patches.rmdir()
    begin(monkeypatch)
    assert state.selection() == state.Selection(dataset=city)


def test_a_new_prediction_drops_the_layer_of_the_old_one(tmp_path):
    first, second, layer = made(tmp_path, "first", "second", "layer")
    state.select(prediction=first, layer=layer)
    state.select(prediction=first)
    assert state.selection().layer == layer
    state.select(prediction=second)
    assert state.selection().layer is None
    state.select(prediction=first, layer=layer)
    assert state.selection().layer == layer


def test_recent_is_newest_first_without_doubles_or_what_is_gone(tmp_path):
    a, b, c = made(tmp_path, "a", "b", "c")
    for folder in (a, b, a, c):
        state.select(dataset=folder)
    b.rmdir()
    assert state.recent("dataset") == [c, a]


def test_a_cut_off_file_is_no_obstacle(tmp_path, monkeypatch):
    (city,) = made(tmp_path, "city")
    state.select(dataset=city)
    (state.workspace().root / "recent.json").write_text('{"current": {"dat')
    begin(monkeypatch)
    assert state.selection() == state.Selection()


def test_two_sessions_that_choose_at_once_are_both_remembered(tmp_path):
    """Each writes the file while the other has read it and not yet written."""
    from threading import Barrier, Thread

    folders = made(tmp_path, *(f"city{k}" for k in range(8)))
    together = Barrier(len(folders))

    def choose(folder):
        together.wait()
        state._remember(lambda stored: stored["recent"].setdefault("dataset", []).append(str(folder)))

    sessions = [Thread(target=choose, args=(folder,)) for folder in folders]
    for one in sessions:
        one.start()
    for one in sessions:
        one.join()
    assert sorted(state.recent("dataset")) == folders


def test_what_was_seen_only_moves_forward():
    state.set_seen_until(20.0)
    state.set_seen_until(10.0)
    assert state.seen_until() == 20.0


def test_what_was_deleted_leaves_the_selection(tmp_path):
    city, patches = made(tmp_path, "city", "patches")
    state.select(dataset=city, prepared=patches)
    patches.rmdir()
    state.forget_missing()
    assert state.selection() == state.Selection(dataset=city)


def test_a_link_is_followed_once_and_then_the_choice_counts(monkeypatch):
    monkeypatch.setattr(st, "query_params", {"data": "b"})
    assert state.linked("data", {"a": 1, "b": 2}) == 2
    assert state.linked("data", {"a": 1, "b": 2}) is None
    monkeypatch.setattr(st, "query_params", {"scene": "gone"})
    assert state.linked("scene", {"a": 1}) is None
    state.link("scene", "a")
    assert st.query_params == {"scene": "a"}


def test_addresses_hold_no_path_of_this_machine_where_they_can():
    assert state.short(state.SAMPLE) == "sample_data/town"
    assert state.short(state.workspace().predictions / "lake") == "predictions/lake"
