import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.jobs import records
from core.verbs import registry
from core.workspace import Workspace
from ui.home import disk


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDLINE_WORKSPACE", str(tmp_path / "workspace"))
    return Workspace(tmp_path / "workspace")


def written(folder, *sizes):
    folder.mkdir(parents=True)
    for number, size in enumerate(sizes):
        (folder / f"{number}.bin").write_bytes(bytes(size))
    return folder


def test_a_folder_weighs_as_much_as_all_files_below_it(tmp_path):
    folder = written(tmp_path / "one", 10, 200)
    written(folder / "deeper" / "still", 3000)
    assert disk.size_bytes(folder) == 3210
    assert disk.size_bytes(folder / "1.bin") == 200
    assert disk.size_bytes(tmp_path / "none") == 0


def test_entries_come_largest_first_and_name_what_they_are(workspace):
    rng = np.random.default_rng(3)
    sizes = rng.permutation([50, 400, 3000])
    for number, size in enumerate(sizes):
        written(workspace.models / f"model-{number}", int(size))
    written(workspace.models / ".half-written", 99)
    found = disk.entries(workspace)
    assert [entry.size_bytes for entry in found] == [3000, 400, 50]
    assert {entry.place for entry in found} == {"models"}
    assert found[0].label.startswith(f"Trained models · model-{list(sizes).index(3000)} · 3 kB · ")


@pytest.mark.parametrize("state, busy", [("running", True), ("finished", False)])
def test_what_a_running_job_uses_is_busy(workspace, monkeypatch, state, busy):
    monkeypatch.setattr(records, "is_locked", lambda path: True)
    prepared, other = written(workspace.prepared / "patches", 10), written(workspace.prepared / "unused", 20)
    job = workspace.runs / "20260101-000000-training"
    job.mkdir()
    request = registry.complete("train", {"prepared": prepared, "out": workspace.models / "m", "settings": {"epochs": 1}})
    records.write_patiently(job / records.REQUEST, {"kind": "train", "title": "A training", "request": request})
    records.write_patiently(job / records.STATUS, records.blank_status(state))
    found = {entry.path: entry.busy for entry in disk.entries(workspace)}
    assert found == {prepared: busy, other: False, job: busy}


def window():
    from ui.home import disk

    disk.body()


def test_what_goes_is_asked_about_and_can_come_back_until_the_trash_is_emptied(workspace):
    folder = written(workspace.models / "old", 200_000)
    at = AppTest.from_function(window, default_timeout=300).run()
    assert "| Trained models | 1 | 0.2 MB |" in at.markdown[1].value
    at.multiselect(key="disk_chosen").set_value([str(folder)])
    at = at.run().button(key="disk_move").click().run()
    assert "Move 1 entry (0.2 MB) to the trash?" in at.warning[0].value and folder.exists()
    at = at.button(key="disk_move_no").click().run()
    assert folder.exists() and not at.warning
    at = at.button(key="disk_move").click().run().button(key="disk_move_yes").click().run()
    (trashed,) = workspace.trashed()
    assert not folder.exists() and trashed["label"] == "old"

    at = at.button(key=f"disk_restore_{trashed['id']}").click().run()
    assert (folder / "0.bin").stat().st_size == 200_000 and not workspace.trashed()

    workspace.discard([folder], label="old")
    at = at.run().button(key="disk_empty").click().run()
    assert "cannot be undone" in at.warning[0].value and workspace.trashed()
    at = at.button(key="disk_empty_yes").click().run()
    assert not workspace.trashed() and "The trash is empty." in at.caption[0].value


def test_a_place_that_was_taken_meanwhile_is_one_plain_line(workspace):
    folder = written(workspace.models / "old", 10)
    trash_id = workspace.discard([folder], label="old")
    at = AppTest.from_function(window, default_timeout=300).run()
    written(folder, 20)
    at = at.button(key=f"disk_restore_{trash_id}").click().run()
    assert not at.exception and "exists again" in at.toast[0].value
    assert workspace.trashed()


def test_every_place_of_the_workspace_can_be_cleaned_up(workspace):
    places = {name for name, value in vars(Workspace).items() if isinstance(value, property)}
    assert set(disk.PLACES) == places - {"trash"}
    written(workspace.exports / "20260101-town-onnx", 70)
    written(workspace.remote / "0123456789" / "town.remote", 60)
    assert [(entry.place, entry.size_bytes) for entry in disk.entries(workspace)] == [("exports", 70), ("remote", 60)]
    assert disk.entries(workspace)[1].label.startswith("Pictures of other machines · town · 0 kB")
