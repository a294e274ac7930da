"""The workspace makes its places, throws away only what is its own, and gives it back."""

from pathlib import Path

import pytest

from core.errors import JobError
from core.workspace import PROJECT, WORKSPACE_VARIABLE, Workspace, default_workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "w")


def test_the_default_is_the_variable_or_a_folder_of_the_project(monkeypatch, tmp_path):
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(tmp_path / "elsewhere"))
    assert default_workspace().root == (tmp_path / "elsewhere").resolve()
    monkeypatch.delenv(WORKSPACE_VARIABLE)
    assert default_workspace().root == PROJECT / "workspace"
    assert (PROJECT / "core" / "__main__.py").exists()


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


def test_where_the_library_alone_is_installed_the_workspace_lies_at_home(tmp_path, monkeypatch):
    monkeypatch.delenv(WORKSPACE_VARIABLE, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setattr("core.workspace.PROJECT", tmp_path / "site-packages")
    assert default_workspace().root == (tmp_path / "groundline").resolve()


def test_nobody_else_reads_where_the_workspace_is():
    """One reader: a second one would disagree as soon as the rule changes."""
    readers = [file for file in (PROJECT / "core").rglob("*.py") if WORKSPACE_VARIABLE in file.read_text(encoding="utf-8")]
    readers += [file for file in (PROJECT / "ui").rglob("*.py") if f'"{WORKSPACE_VARIABLE}"' in file.read_text(encoding="utf-8")]
    assert [file.name for file in readers] == ["workspace.py"]
