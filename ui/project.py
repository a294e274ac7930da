"""The project in the settings: its name, a copy of it elsewhere, and another one to go on with."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from core import projects
from core.digests import digest_of
from core.errors import GroundlineError, JobBusy
from core.jobs import jobs
from core.plain import in_markdown
from core.words import sentence
from core.workspace import WORKSPACE_VARIABLE, Workspace
from ui import state
from ui.allowed import changing, refuse_if_read_only, shared
from ui.input import typed_path
from ui.kept import keep

_HERE = "gl_project"
_SAID = "gl_project_said"
_STOPPED = "gl_project_stopped"
_SHARED_WORDS = "Others use this dashboard over the network, and would be in another project all at once."


def follow() -> bool:
    """Have a session whose project is no longer that of the dashboard begin anew; True where it does, so that it goes home."""
    root = str(state.workspace().root)
    known = st.session_state.setdefault(_HERE, root)
    if known == root:
        return False
    st.session_state.clear()
    st.session_state[_HERE] = root
    return True


def panel() -> None:
    """Name, save as, open."""
    workspace = state.workspace()
    news = st.container(key="project_news", gap="small")  # above all else: what is below may be below the window
    name = projects.name_of(workspace)
    which = digest_of(str(workspace.root), name)  # a field of its own for each name, which then begins with it
    st.text_input(
        "Project",
        name,
        max_chars=projects.LONGEST_NAME,
        key=f"project_name_{which}",
        on_change=_rename,
        args=(workspace, which),
        **changing(f"What this work is called. It lies in {in_markdown(workspace.root)}."),
    )
    # What is in it is looked for only once it is open: this stands on every page.
    with st.expander("Save as, open another", icon=":material/folder_open:", key="project_more", on_change="rerun") as more:
        if more.open:
            _elsewhere(workspace)
    if st.session_state.pop(_STOPPED, False):
        news.info("The copy was stopped. Nothing of it is kept.", icon=":material/info:")
    if st.session_state.get(_SAID):
        news.error(in_markdown(sentence(st.session_state.pop(_SAID))), icon=":material/error:")


def _elsewhere(workspace: Workspace) -> None:
    """Save the project as another one, and open another."""
    typed = st.text_input("Save as", key="project_save_path", placeholder=str(workspace.root.parent / "second-project"))
    if st.button(
        "Save a copy and open it",
        key="project_save",
        width="stretch",
        **changing(_SHARED_WORDS if shared() else "Copies all but the trash to a new folder.", disabled=not typed or shared()),
    ):
        _told(lambda: _save(workspace, typed))
    others = [str(folder) for folder in projects.beside(workspace)]
    chosen = st.selectbox(
        "Open",
        others,
        index=None,
        key="project_open_path",
        placeholder="A project's folder",
        accept_new_options=True,
        format_func=_label,
    )
    if st.button(
        "Open it",
        key="project_open",
        width="stretch",
        disabled=not chosen or shared(),
        help=_SHARED_WORDS if shared() else "Goes on there until the dashboard is started anew. Running jobs run on.",
    ):
        _told(lambda: _open(projects.opened(typed_path(str(chosen)) or Path())))


def _label(folder: str) -> str:
    path = Path(folder)
    name = projects.name_of(Workspace(path)) if projects.is_project(path) else path.name
    return name if name == path.name else f"{name} ({path.name})"


def _rename(workspace: Workspace, which: str) -> None:
    def change() -> None:
        refuse_if_read_only()
        projects.rename(workspace, str(st.session_state[f"project_name_{which}"]))

    _told(change)


def _told(work: Callable[[], None]) -> None:
    try:
        work()
    except GroundlineError as error:
        st.session_state[_SAID] = str(error)


def _save(workspace: Workspace, typed: str) -> None:
    refuse_if_read_only()
    folder = typed_path(typed)
    if folder is None:
        return
    if any(job.active for job in jobs.list_jobs(workspace)):
        raise JobBusy("a running job", expected="none that still writes", do="Wait for it or stop it, and save then")
    stopped = threading.Event()
    cancel = st.empty()
    cancel.button("Cancel the copy", key="project_cancel", icon=":material/close:", width="stretch")
    try:
        # The time makes it anew when somebody has deleted the copy and asks again.
        made = keep(
            "project",
            digest_of(str(folder), os.urandom(8)),
            lambda tell: projects.save_as(workspace, folder, on_progress=tell, should_stop=stopped.is_set),
            words="Copying",
        )
    except GroundlineError:
        cancel.empty()
        raise
    except BaseException:  # that button, or any other, begins another run of the page: nobody would open the copy
        stopped.set()
        st.session_state[_STOPPED] = True
        raise
    _open(made)


def _open(workspace: Workspace) -> None:
    os.environ[WORKSPACE_VARIABLE] = str(workspace.root)
    st.cache_data.clear()
    follow()
    st.switch_page("app.py")
