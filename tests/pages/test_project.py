"""The project in the settings: named, saved as another one, opened; and what other sessions of the dashboard then see."""

import pytest
import streamlit as st

from core import projects
from core.errors import Cancelled
from core.workspace import Workspace, default_workspace
from tests.pages.conftest import sound, text_of
from ui import project, state


@pytest.fixture
def named(opened, workspace):
    """The home page of a project with a name."""
    projects.rename(workspace, "Coast")
    return opened


def unfolded(at):
    """With the ways to other projects in view."""
    at.session_state["project_more"] = True
    return sound(at.run())


def name_field(at):
    return next(field for field in at.text_input if field.label == "Project")


def test_a_project_is_named_and_the_bar_says_so(opened, workspace):
    at = opened()
    assert name_field(at).value == "workspace" and "Coast" not in text_of(at)
    name_field(at).set_value("Coast")
    at = sound(at.run())
    assert projects.name_of(workspace) == "Coast" and name_field(at).value == "Coast"
    assert any("<dt>Project</dt><dd>Coast</dd>" in block.proto.body for block in at.get("html"))
    name_field(at).set_value("   ")
    at = at.run()
    assert len(at.error) == 1 and "name of 0 letters" in at.error[0].value and projects.name_of(workspace) == "Coast"


def test_a_copy_is_made_opened_and_the_way_back_is_offered(named, workspace, town, tmp_path):
    at, other = unfolded(named()), named("pages/1_Explore.py")
    at.text_input(key="project_save_path").set_value(str(workspace.root.parent / "second"))
    at = sound(sound(at.run()).button(key="project_save").click().run())
    assert default_workspace().root == workspace.root.parent / "second"
    assert name_field(at).value == "second"
    # Somebody's other window goes home too, instead of showing one project's things in another.
    other = sound(other.run())
    assert name_field(other).value == "second"
    at = unfolded(at)
    assert at.selectbox(key="project_open_path").options == ["Coast (workspace)"]
    at.selectbox(key="project_open_path").set_value(str(workspace.root))
    at = sound(sound(at.run()).button(key="project_open").click().run())
    assert default_workspace() == workspace and name_field(at).value == "Coast"


def test_what_does_not_go_is_one_plain_line(named, workspace, tmp_path, finished, monkeypatch):
    at = unfolded(named())
    at.text_input(key="project_save_path").set_value(str(workspace.root / "inside"))
    at = at.run().button(key="project_save").click().run()
    assert len(at.error) == 1 and "in or around the project" in at.error[0].value
    # It stands above the fields: below them it could lie below the window.
    assert next(part.type for part in at.sidebar if part.type in ("error", "text_input")) == "error"
    monkeypatch.setattr(project.jobs.Job, "active", property(lambda job: True))
    finished("demo", {}, {})
    with pytest.raises(project.JobBusy, match="Wait for it"):
        project._save(workspace, str(workspace.root.parent / "second"))
    assert default_workspace() == workspace and projects.beside(workspace) == []


def test_a_copy_that_is_left_is_stopped_and_leaves_nothing(named, workspace, monkeypatch):
    class Left(BaseException):
        """Streamlit ends a run of the page like this, when a button is pressed meanwhile."""

    copying = []

    def keep(kind, digest, make, *, words):
        copying.append(make)
        raise Left

    monkeypatch.setattr(project, "keep", keep)
    with pytest.raises(Left):
        project._save(workspace, str(workspace.root.parent / "second"))
    with pytest.raises(Cancelled):
        copying[0](lambda done, total, words: None)
    assert projects.beside(workspace) == [] and not (workspace.root.parent / "second").exists()
    assert st.session_state.pop(project._STOPPED)


@pytest.mark.parametrize(("variable", "value"), [("GROUNDLINE_READ_ONLY", "1"), (None, None)])
def test_others_are_not_taken_along(named, workspace, monkeypatch, variable, value):
    Workspace(workspace.root.parent / "second").runs, Workspace(workspace.root.parent / "second").predictions
    if variable:
        monkeypatch.setenv(variable, value)
    else:
        monkeypatch.setattr(project, "shared", lambda: True)
    at = unfolded(named())
    at.text_input(key="project_save_path").set_value(str(workspace.root.parent / "third"))
    at = sound(at.run())
    assert at.button(key="project_save").disabled
    if not variable:
        assert "Others use this dashboard" in at.button(key="project_open").help
    assert name_field(at).disabled is bool(variable)
    assert state.workspace() == workspace
