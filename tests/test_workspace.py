"""The workspace makes its places, throws away only what is its own, and gives it back."""

from pathlib import Path

import pytest

from core.errors import JobError
from core.workspace import PROJECT_ROOT, WORKSPACE_VARIABLE, Workspace, default_workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "w")


def test_the_default_is_the_variable_or_a_folder_of_the_project(monkeypatch, tmp_path):
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(tmp_path / "elsewhere"))
    assert default_workspace().root == (tmp_path / "elsewhere").resolve()
    monkeypatch.delenv(WORKSPACE_VARIABLE)
    assert default_workspace().root == PROJECT_ROOT / "workspace"
    assert (PROJECT_ROOT / "core" / "__main__.py").exists()


def test_places_exist_when_asked_for_and_not_before(workspace):
    assert not workspace.root.exists()
    for place in ("runs", "prepared", "models", "predictions", "layers", "uploads", "trash"):
        assert getattr(workspace, place) == workspace.root / place
        assert (workspace.root / place).is_dir()


def test_files_and_folders_come_back_from_the_trash(workspace):
    model = workspace.models / "m"
    model.mkdir()
    (model / "card.json").write_text("{}")
    layer = workspace.layers / "a.gpkg"
    layer.write_text("polygons")
    trash_id = workspace.discard([model, layer, workspace.layers / "never-made"], label="my model")
    assert not model.exists() and not layer.exists()
    (entry,) = workspace.trashed()
    assert (entry["id"], entry["label"], entry["paths"]) == (trash_id, "my model", [model, layer])
    assert workspace.restore(trash_id) == [model, layer]
    assert (model / "card.json").read_text() == "{}" and layer.read_text() == "polygons"
    assert workspace.trashed() == []


def test_nothing_outside_the_places_is_thrown_away(workspace, tmp_path):
    theirs = tmp_path / "photo.tif"
    theirs.write_text("pixels")
    inside = workspace.layers / "a"
    inside.mkdir()
    for path in (theirs, workspace.root, workspace.layers, workspace.layers / ".." / ".." / "photo.tif"):
        with pytest.raises(JobError, match="outside"):
            workspace.discard([inside, path], label="x")
    assert theirs.exists() and inside.exists()
    assert workspace.trashed() == []


def test_a_place_taken_meanwhile_is_not_overwritten(workspace):
    layer = workspace.layers / "a.gpkg"
    layer.write_text("old")
    trash_id = workspace.discard([layer], label="a")
    layer.write_text("new")
    with pytest.raises(JobError, match="exists again"):
        workspace.restore(trash_id)
    assert layer.read_text() == "new"
    layer.unlink()
    workspace.restore(trash_id)
    assert layer.read_text() == "old"


def test_an_empty_trash_gives_nothing_back(workspace):
    layer = workspace.layers / "a.gpkg"
    layer.write_text("old")
    trash_id = workspace.discard([layer], label="a")
    workspace.empty_trash()
    assert workspace.trashed() == []
    with pytest.raises(JobError, match="trash"):
        workspace.restore(trash_id)
