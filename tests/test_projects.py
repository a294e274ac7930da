import json
import os
import shutil

import pytest

from core import projects
from core.digests import file_digest
from core.errors import Cancelled, InputError
from core.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    """A project with a prediction of an uploaded scene, a record of the job, something deleted and something that is made anew."""
    made = Workspace(tmp_path / "first project")
    scene = made.uploads / "scene.tif"
    scene.write_bytes(b"pixels")
    folder = made.predictions / "one"
    folder.mkdir()
    (folder / "labels.tif").write_bytes(bytes(range(256)) * 40_000)
    os.utime(folder / "labels.tif", ns=(10**18 + 7, 10**18 + 7))
    told = {"scene": str(scene), "elsewhere": str(tmp_path / "first project elsewhere" / "a.tif"), "note": f"not {made.root}/a"}
    (folder / "prediction.json").write_text(json.dumps(told))
    os.utime(folder / "prediction.json", ns=(10**18 + 9, 10**18 + 9))
    (made.runs / "job").mkdir()
    (made.runs / "job" / "events.jsonl").write_text(f'{{"out": "{made.root}"}}\n{{"out": "{folder}"}}\n')
    (made.features / "tile.npy").write_bytes(b"tile")
    made.discard([(made.models / "gone.txt").write_text("x") and made.models / "gone.txt"], label="gone")
    (made.predictions / ".half-written").mkdir()
    os.utime(folder, ns=(10**18 + 5, 10**18 + 5))
    return made


def test_a_copy_names_its_own_files_and_keeps_times(workspace, tmp_path):
    steps = []
    copy = projects.save_as(workspace, tmp_path / "second", on_progress=lambda done, total, words: steps.append((done, total)))
    folder = copy.predictions / "one"
    told = json.loads((folder / "prediction.json").read_text())
    assert told["scene"] == str(copy.root / "uploads" / "scene.tif")
    assert told["elsewhere"] == str(tmp_path / "first project elsewhere" / "a.tif")  # a folder whose name only begins alike
    assert told["note"] == f"not {workspace.root}/a"
    lines = (copy.runs / "job" / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["out"] for line in lines] == [str(copy.root), str(folder)]
    # What a layer's corrections and finished files go by.
    assert file_digest(folder / "labels.tif") == file_digest(workspace.predictions / "one" / "labels.tif")
    assert (folder / "prediction.json").stat().st_mtime_ns == 10**18 + 9
    assert folder.stat().st_mtime_ns == 10**18 + 5  # what lists are ordered and dated by
    assert not any((copy.root / "features").glob("*")) and copy.trashed() == [] and not (copy.predictions / ".half-written").exists()
    assert steps[-1][0] == steps[-1][1] and steps == sorted(steps)
    assert (projects.name_of(workspace), projects.name_of(copy)) == ("first project", "second")
    assert projects.beside(workspace) == [copy.root] and projects.beside(copy) == [workspace.root]
    assert projects.opened(copy.root) == copy


def test_a_copy_that_does_not_go_leaves_nothing_behind(workspace, tmp_path, monkeypatch):
    before = sorted(tmp_path.iterdir())
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_text("a")
    for place, word in ((tmp_path / "full", "there already"), (workspace.root / "inside", "in or around"), (tmp_path, "there already")):
        with pytest.raises(InputError, match=word):
            projects.save_as(workspace, place)
    stops = iter([False] * 3 + [True] * 9)
    with pytest.raises(Cancelled):
        projects.save_as(workspace, tmp_path / "stopped", should_stop=lambda: next(stops))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 0))
    with pytest.raises(InputError, match="free beside"):
        projects.save_as(workspace, tmp_path / "no room")
    shutil.rmtree(tmp_path / "full")
    assert sorted(tmp_path.iterdir()) == before


def test_names(workspace):
    projects.rename(workspace, "  Town \n of 2026 ")
    assert projects.name_of(workspace) == "Town of 2026"
    for bad in ("", "   ", "x" * 61):
        with pytest.raises(InputError, match="name of"):
            projects.rename(workspace, bad)
    (workspace.root / projects.PROJECT_FILE).write_text("{cut")
    assert projects.name_of(workspace) == "first project"


def test_only_projects_are_opened(workspace, tmp_path):
    (tmp_path / "photos").mkdir()
    for folder in (tmp_path / "photos", tmp_path / "nothing"):
        with pytest.raises(InputError, match="no project in"):
            projects.opened(folder)
    assert not any((tmp_path / "photos").iterdir())
    assert projects.opened(workspace.root) == workspace  # one that has no name yet
