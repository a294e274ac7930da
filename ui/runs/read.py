"""What the pages know of training runs, read from their folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from core import networks
from core.errors import GroundlineError
from core.jobs import jobs
from core.jobs.jobs import Job
from core.verbs import registry
from ui import jobs_view, library, state
from ui.train import advanced

COMPARED = "runs_compared"
TAB = "train_tab"
_WANTED_TAB = "gl_train_tab"
NEW, RUNS, COMPARE, MODELS = "New run", "Runs", "Compare", "Models"


def runs() -> list[Job]:
    """All training runs, newest first."""
    return jobs.list_jobs(state.workspace(), kinds=("train",))


def show(*names: str) -> None:
    """Open one run in its tab, or several in the comparison."""
    if len(names) == 1:
        jobs_view.choose_run(names[0])
    else:
        st.session_state[COMPARED] = list(names)
    go(RUNS if len(names) == 1 else COMPARE)


def go(tab: str) -> None:
    """Turn to a tab of the Train page at its next run."""
    st.session_state[_WANTED_TAB] = tab


def turn() -> None:
    """Open the tab that was asked for; a new session starts with the runs, where there are any."""
    wanted = st.session_state.pop(_WANTED_TAB, None)
    if wanted is None and TAB not in st.session_state:
        wanted = RUNS if runs() else NEW
    if wanted is not None:
        st.session_state[TAB] = wanted


def compare_known(names: Sequence[str]) -> None:
    """Leave those of the runs `names`, newest first, in the comparison that were chosen for it; the newest two where none is."""
    known = [name for name in st.session_state.get(COMPARED, ()) if name in names]
    st.session_state[COMPARED] = known or list(names[:2])


def queue() -> list[Job]:
    """The jobs that wait for their turn, the next one first; runs wait for predictions too."""
    waiting = [
        (job.status(), job) for job in jobs.list_jobs(state.workspace()) if registry.known(job.kind) and registry.find(job.kind).heavy
    ]
    waiting = [(status["arrived"] or 0.0, job.name, job) for status, job in waiting if status["state"] == "queued"]
    return [job for *_, job in sorted(waiting, key=lambda entry: entry[:2])]


def state_words(job: Job, waiting: Sequence[Job]) -> str:
    """`Finished`, or `Waiting, 2nd in line`."""
    place = next((number for number, other in enumerate(waiting, start=1) if other.name == job.name), 0)
    if place:
        return f"Waiting, {place}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(place if place < 20 else place % 10, 'th') } in line"
    return jobs_view.label(job.status()["state"])


def network_words(settings: Mapping[str, Any]) -> str:
    """`U-Net · resnet34`."""
    title = _architecture(settings.get("architecture", "unet"))
    each = ", one per class" if settings.get("per_class") else ""
    return (f"{title} · {settings['encoder']}" if settings.get("encoder") else title) + each


def value_words(name: str, value: Any) -> str:
    """A setting's value as the form calls it."""
    if name == "weights":
        return {"none": "random", "imagenet": "ImageNet"}.get(value, Path(str(value)).name)
    if name == "loss":
        return advanced.LOSS_NAMES.get(value, str(value))
    if name == "architecture":
        return _architecture(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    return "–" if value is None else str(value)


def _architecture(name: str) -> str:
    """The title of a network; its name where this version has none of it."""
    try:
        return networks.architecture(name).title
    except GroundlineError:
        return name


def data_words(job: Job) -> str:
    """The patches of a run."""
    more = len(job.request.get("also") or ())
    return library.prepared_title(job.request["prepared"]) + (f" and {more} more" if more else "")
