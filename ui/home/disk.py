"""What the workspace takes on disk, and a clean-up that asks first and can be undone until the trash is emptied."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import streamlit as st

from core.errors import GroundlineError
from core.files import dump_json
from core.jobs import jobs, records
from core.plain import in_markdown
from core.scenes.remote.links import LINK_SUFFIX
from core.words import counted, sentence, size_words
from core.workspace import Workspace
from ui import broken, library, state
from ui.allowed import changing, refuse_if_read_only

PLACES = {
    "prepared": "Patches",
    "models": "Trained models",
    "predictions": "Predictions",
    "labelling": "Painted labels",
    "labels": "Labelled data sets",
    "features": "Kept ready for painting",
    "certified": "Answers at points",
    "layers": "Polygon layers",
    "evaluations": "Evaluations",
    "searches": "Searches",
    "exports": "Exported models and folders",
    "uploads": "Uploads",
    "remote": "Pictures of other machines",
    "runs": "Records of jobs",
}
"""Places of the workspace in the order of the table, with what they are called."""

_CHOSEN = "disk_chosen"
_ASKED = "gl_disk_asked"  # what waits for a yes: "move" or "empty"
_LABEL_LETTERS = 80


@dataclass(frozen=True)
class Entry:
    """A file or folder of the workspace that can be moved to the trash."""

    path: Path
    place: str
    size_bytes: int
    busy: bool

    @property
    def label(self) -> str:
        """What it is called in the list."""
        changed = datetime.fromtimestamp(self.path.stat().st_mtime)
        return f"{PLACES[self.place]} · {_title(self)} · {size_words(self.size_bytes)} · {changed:%d %b %H:%M}"


def entries(workspace: Workspace) -> list[Entry]:
    """All that lies in the workspace's places, largest first; busy is what a running job reads or writes."""
    running = [job for job in jobs.list_jobs(workspace) if job.active]
    used = [dump_json(job.request) + dump_json(job.folder) for job in running]
    found = []
    for place in PLACES:
        for path in getattr(workspace, place).iterdir():
            if not path.name.startswith("."):
                name = dump_json(path)[1:-1]
                found.append(Entry(path, place, size_bytes(path), any(name in text for text in used)))
    return sorted(found, key=lambda entry: entry.size_bytes, reverse=True)


def size_bytes(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; what vanishes meanwhile counts as nothing."""
    if not path.is_dir():
        return path.stat().st_size if path.exists() else 0
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except OSError:  # deleted between the listing and the question
                continue
    return total


@st.dialog("Disk use", width="large", icon=":material/hard_drive:", on_dismiss=lambda: st.session_state.pop(_ASKED, None))
def dialog() -> None:
    """`body` in a window of its own."""
    body()


def body() -> None:
    """The workspace's places with their sizes, what can go, and the trash."""
    workspace = state.workspace()
    found = entries(workspace)
    free = shutil.disk_usage(workspace.root).free
    st.markdown(
        f"All that Groundline made lies in {in_markdown(workspace.root)}. The disk has {size_words(free)} free. "
        "Your own images are not there."
    )
    _table(found)
    _clean(workspace, found)
    for kind in broken.KINDS:
        broken.show(kind, key="disk")
    _trash(workspace)


def _table(found: list[Entry]) -> None:
    lines = ["| What | Entries | Size |", "|:--|--:|--:|"]
    for place, name in PLACES.items():
        sizes = [entry.size_bytes for entry in found if entry.place == place]
        if sizes:
            lines.append(f"| {name} | {len(sizes):,} | {size_words(sum(sizes))} |")
    total = sum(entry.size_bytes for entry in found)
    st.markdown("\n".join([*lines, f"| **Together** | **{len(found):,}** | **{size_words(total)}** |"]))


def _clean(workspace: Workspace, found: list[Entry]) -> None:
    idle = {str(entry.path): entry for entry in found if not entry.busy}
    chosen = st.multiselect(
        "Move to the trash",
        list(idle),
        format_func=lambda path: idle[path].label,
        key=_CHOSEN,
        placeholder="Choose what can go, largest first" if idle else "Nothing to clean up",
        disabled=not idle,
        help="What a running job uses is not in the list. The trash keeps it until you empty it.",
    )
    size, entries = size_words(sum(idle[path].size_bytes for path in chosen)), counted(len(chosen), "entry", "entries")
    if st.session_state.get(_ASKED) != "move" or not chosen:
        st.button(
            f"Move {entries} · {size}" if chosen else "Move to the trash",
            icon=":material/delete:",
            key="disk_move",
            **changing("Asks once more.", disabled=not chosen),
            on_click=_ask,
            args=("move",),
        )
        return
    names = ", ".join(_title(idle[path]) for path in chosen)
    st.warning(f"Move {entries} ({size}) to the trash? Pages that show them will be empty.", icon=":material/help:")
    _yes_or_no("Move to the trash", "disk_move", lambda: _discard(workspace, chosen, names))


def _discard(workspace: Workspace, paths: list[str], names: str) -> None:
    workspace.discard(paths, label=names if len(names) <= _LABEL_LETTERS else f"{names[: _LABEL_LETTERS - 3]}...")
    st.session_state.pop(_CHOSEN, None)
    state.forget_missing()


def _trash(workspace: Workspace) -> None:
    held = workspace.trashed()
    if not held:
        st.caption("The trash is empty.")
        return
    size = size_words(size_bytes(workspace.trash))
    st.subheader(f":material/delete: Trash · {size}", anchor=False)
    for item in held:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"{in_markdown(item['label'])} · {datetime.fromtimestamp(item['time']):%d %b %H:%M}", width="stretch")
            st.button(
                "Restore",
                icon=":material/undo:",
                key=f"disk_restore_{item['id']}",
                **changing("Puts it back where it was."),
                on_click=_act,
                args=(lambda item=item: workspace.restore(item["id"]),),
            )
    if st.session_state.get(_ASKED) != "empty":
        st.button(
            "Empty the trash",
            icon=":material/delete_forever:",
            key="disk_empty",
            on_click=_ask,
            args=("empty",),
            **changing("Asks once more."),
        )
        return
    st.warning(f"Delete {size} for good? This cannot be undone.", icon=":material/warning:")
    _yes_or_no("Delete for good", "disk_empty", workspace.empty_trash)


def _ask(what: str | None) -> None:
    st.session_state[_ASKED] = what


def _yes_or_no(yes: str, key: str, action: Callable[[], object]) -> None:
    """Two buttons; either ends the question."""
    with st.container(horizontal=True):
        st.button(yes, type="primary", key=f"{key}_yes", help="Does it now.", on_click=_act, args=(action,))
        st.button("Keep everything", key=f"{key}_no", help="Leaves everything as it is.", on_click=_ask, args=(None,))


def _act(action: Callable[[], object]) -> None:
    _ask(None)
    try:
        refuse_if_read_only()
        action()
    except GroundlineError as error:
        st.toast(in_markdown(sentence(error)), icon=":material/error:")


def _title(entry: Entry) -> str:
    """What an entry is called on the pages."""
    if entry.place == "prepared":
        return library.prepared_title(entry.path)
    if entry.place == "predictions":
        return library.prediction_title(entry.path)
    if entry.place == "runs" and (entry.path / records.REQUEST).is_file():
        return jobs.Job(entry.path).title
    if entry.place == "remote":  # a folder for each address, called by its digest
        return next((path.stem for path in sorted(entry.path.glob(f"*{LINK_SUFFIX}"))), entry.path.name)
    return entry.path.name
