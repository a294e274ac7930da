"""Jobs on the pages: start one, follow it live, stop it, and take over what it made."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import streamlit as st

from core.errors import GroundlineError
from core.jobs import jobs, records
from core.jobs.jobs import Job
from core.plain import in_markdown
from core.reading.readable import misfit
from core.words import duration_words, sentence, share_words
from ui import library, state, tab
from ui.allowed import changing, read_only, refuse_if_read_only

KINDS = {
    "audit": ("Check of the data set", ":material/fact_check:"),
    "prepare": ("Preparing patches", ":material/grid_on:"),
    "train": ("Training", ":material/model_training:"),
    "probe": ("Check before training", ":material/speed:"),
    "rate_test": ("Learning-rate test", ":material/show_chart:"),
    "search": ("Search for settings", ":material/tune:"),
    "evaluate": ("Scoring", ":material/scoreboard:"),
    "compare": ("Comparison of scores", ":material/compare_arrows:"),
    "random_split": ("The same on a random split", ":material/shuffle:"),
    "fetch": ("Fetching tiles", ":material/download:"),
    "predict": ("Prediction", ":material/auto_awesome:"),
    "predict_batch": ("Prediction of a folder", ":material/auto_awesome_motion:"),
    "refine": ("Refining by strokes", ":material/brush:"),
    "labels": ("Labels from strokes", ":material/draw:"),
    "estimate": ("Estimate", ":material/timer:"),
    "quantise": ("Making the model fast", ":material/bolt:"),
    "accept": ("Labels", ":material/task_alt:"),
    "vectorize": ("Tracing polygons", ":material/polyline:"),
    "handover": ("Folder to hand over", ":material/folder_zip:"),
    "serve": ("Addresses of layers", ":material/link:"),
    "import_model": ("Taking in a model", ":material/library_add:"),
    "export_model": ("Export of a model", ":material/ios_share:"),
    "demo": ("Sample", ":material/play_circle:"),
}

_BADGES = {
    "starting": ("Starting", "blue", ":material/hourglass_top:"),
    "queued": ("Waiting for its turn", "gray", ":material/schedule:"),
    "running": ("Running", "blue", ":material/sync:"),
    "pausing": ("Pausing", "orange", ":material/hourglass_bottom:"),
    "paused": ("Paused", "orange", ":material/pause:"),
    "stopping": ("Stopping", "orange", ":material/hourglass_bottom:"),
    "finished": ("Finished", "green", ":material/check_circle:"),
    "stopped": ("Stopped", "gray", ":material/stop_circle:"),
    "failed": ("Failed", "red", ":material/error:"),
    "died": ("Ended unexpectedly", "red", ":material/error:"),
}


_WATCHED = "gl_watched"
RUN = "gl_run"
"""Session key of the run that the user picked, by its folder's name."""


def choose_run(name: str) -> None:
    """Watch a run from now on, named by its folder."""
    st.session_state[RUN] = name


def start(kind: str, request: dict, *, title: str | None = None) -> Job:
    """Start a job in the user's workspace; raises GroundlineError when the request cannot be right."""
    refuse_if_read_only()
    return jobs.start(kind, request, workspace=state.workspace(), title=title)


def newest(*kinds: str, keep: Callable[[Job], bool] = lambda job: True) -> Job | None:
    """The running job of these kinds, else the last one; None when there was none."""
    found = [job for job in jobs.list_jobs(state.workspace(), kinds=kinds) if keep(job)]
    return next((job for job in found if job.active), found[0] if found else None)


def chosen_run() -> Job | None:
    """The training run in view: the one that the user picked, else the one at work, else the newest."""
    runs = jobs.list_jobs(state.workspace(), kinds=("train",))
    picked = next((job for job in runs if job.name == st.session_state.get(RUN)), None)
    return picked or at_work("train") or (runs[0] if runs else None)


def at_work(kind: str) -> Job | None:
    """The job of this kind that runs, else the first of those that wait; None while none is active."""
    active = [job for job in jobs.list_jobs(state.workspace(), kinds=(kind,)) if job.active]
    return next((job for job in active if job.status()["state"] != "queued"), active[-1] if active else None)


def label(state_name: str) -> str:
    """A job's state in words."""
    return _BADGES[state_name][0]


def badge(status: dict) -> None:
    """The state of a job in a word, a colour and an icon."""
    words, colour, icon = _BADGES[status["state"]]
    st.badge(words, icon=icon, color=colour)


def seconds_left(status: dict) -> float | None:
    """How long a running job will still take, counted down since its worker said so; None where nobody knows, or the time is over."""
    seconds = status.get("eta_s")
    if seconds is None or status["state"] != "running":
        return None
    seconds -= max(0.0, time.time() - (status.get("heartbeat") or time.time()))
    return seconds if seconds >= 1 else None


def time_left(status: dict) -> str:
    """`about 3 min left`, or nothing where nobody knows."""
    seconds = seconds_left(status)
    return "" if seconds is None else f"about {duration_words(seconds)} left"


def bar(status: dict) -> None:
    """Progress bar with the job's own words and the time left."""
    words = [sentence(status["message"] or "Getting ready")]
    if status["total"] and status["state"] == "running":
        words.insert(0, share_words(share(status)))
    if status["state"] == "queued" and status.get("waits_for"):
        words = [f"Starts when “{_title(status['waits_for'])}” is done"]
    elif status["state"] == "pausing":
        words = ["Pauses after this step"]
    elif left := time_left(status):
        words.append(left)
    st.progress(share(status), text=in_markdown(" · ".join(words)))


def share(status: dict) -> float:
    """How much of a job's work is done, 0 to 1; 0 while that is not known."""
    done, total = status["done"] or 0, status["total"] or 0
    return min(1.0, done / total) if total else 0.0


def asked_status(job: Job) -> dict:
    """A job's status; a running one that was asked to pause and has not come to it yet is "pausing"."""
    status = job.status()
    waits = status["state"] == "running" and records.read_control(job.folder) == "pause"
    return {**status, "state": "pausing"} if waits else status


def _title(name: str) -> str:
    """The title of a job of this workspace, by its name."""
    folder = state.workspace().runs / name
    return Job.open(folder).title if (folder / records.REQUEST).is_file() else name


def progress(
    folder: str | Path,
    key: str,
    *,
    pausable: bool = False,
    actions: Callable[[Job], None] | None = None,
    body: Callable[[Job, dict], None] | None = None,
) -> None:
    """Follow one job: badge, bar, stop (and pause), its error when it failed.

    `actions(job)` adds buttons to its first line, `body(job, status)` draws what belongs to it. It refreshes
    itself each second while the job is active, and redraws the whole page once when it ends.
    """
    watched = Job.open(folder)
    was_active = watched.active

    @st.fragment(run_every=1.0 if was_active else None)
    def follow() -> None:
        job = Job.open(folder)
        status = asked_status(job)
        if was_active != job.active:  # ended, or resumed: buttons and polling change for the whole page
            st.rerun()
        with st.container(horizontal=True, vertical_alignment="center"):
            badge(status)
            st.markdown(f"**{in_markdown(job.title or job.name)}**", width="stretch")
            _controls(job, status, key, pausable)
            if actions is not None:
                actions(job)
        # What follows keeps its place when the bar goes: moved up, it would be on screen twice until all of it is drawn anew.
        told, own = st.container(), st.container()
        with told:
            if job.active:
                bar(status)
            failure(job, status)
        if body is not None:
            with own:
                body(job, status)

    follow()


def failure(job: Job, status: dict) -> None:
    """The one line that says why a job failed, with its log folded away."""
    if status["state"] not in ("failed", "died"):
        return
    why = sentence(status["error"] or "The process ended without saying why; it was killed or ran out of memory.")
    st.error(in_markdown(why), icon=":material/error:")
    with st.expander("Last lines of the log"):
        st.code(job.log_tail(20) or "The log is empty.", language=None)


def sidebar() -> None:
    """Running jobs with their progress, under the menu of every page and in the browser's tab; and once, what has ended meanwhile."""
    active = [job for job in jobs.list_jobs(state.workspace()) if job.active]
    _tell_of_ends(active)
    if not active:
        return

    @st.fragment(run_every=2.0)
    def running() -> None:
        shares = []
        for job in active:
            status = job.status()
            name, icon = KINDS.get(job.kind, (job.kind, ":material/sync:"))
            left = time_left(status) if status["state"] == "running" else _BADGES[status["state"]][0].lower()
            shares.append(share(status))
            st.progress(shares[-1], text=f"{icon} {name}" + (f" · {left}" if left else ""))
        tab.at_work(max(shares))
        if not all(job.active for job in active):
            st.rerun()

    st.divider()
    running()


def _tell_of_ends(active: list[Job]) -> None:
    """A toast for each job that this session saw at work and that has ended, wherever the user is by now, and a word in the tab."""
    watched: set[Path] = st.session_state.get(_WATCHED, set())
    st.session_state[_WATCHED] = {job.folder for job in active}
    words, good = "", True
    for folder in sorted(watched - st.session_state[_WATCHED]):
        if not (folder / records.REQUEST).is_file():  # deleted meanwhile
            continue
        job = Job.open(folder)
        end = job.status()["state"]
        name, _ = KINDS.get(job.kind, (job.kind, ""))
        words, icon = f"{name}: {label(end).lower()}", _BADGES[end][2]
        good = good and end in ("finished", "stopped")
        st.toast(in_markdown(words if job.title in ("", name) else f"{words} · {job.title}"), icon=icon)
    if words:
        tab.ended(words, good=good)


@dataclass(frozen=True)
class Made:
    """What a finished job leaves for the pages."""

    prediction: Path | None = None
    layer: Path | None = None
    prepared: Path | None = None


class _Folder(TypedDict):
    """What lies in a folder."""

    folder: str


class _File(TypedDict):
    """A file that was written."""

    path: str


class _Result(TypedDict, total=False):
    """What the result of a job may hold, as far as it is taken over."""

    folder: str | None
    files: list[_File]
    predict: _Folder


def made(job: Job) -> Made:
    """Read a job's result; empty while it has none, or none that can be read."""
    result = job.result() or {}
    if misfit(result, _Result):
        return Made()
    if job.kind == "predict" and result.get("folder"):
        return Made(prediction=Path(result["folder"]))
    if job.kind == "prepare" and result.get("folder"):
        return Made(prepared=Path(result["folder"]))
    layer = next((Path(entry["path"]) for entry in result.get("files", ()) if entry["path"].endswith(".gpkg")), None)
    if job.kind == "demo" and result.get("predict"):
        return Made(prediction=Path(result["predict"]["folder"]), layer=layer)
    return Made(layer=layer) if job.kind == "vectorize" else Made()


def collect() -> None:
    """Take over what ended since anyone last looked, so that a result is there even if the browser was closed meanwhile."""
    if read_only():  # what was looked at cannot be remembered
        return
    seen = state.seen_until()
    fresh = [(job.status()["finished"] or 0.0, job) for job in jobs.list_jobs(state.workspace()) if job.kind in _COLLECTED]
    fresh = sorted(((ended, job) for ended, job in fresh if ended > seen), key=lambda pair: pair[0])
    for ended, job in fresh:
        out = made(job)
        if out.prediction:
            try:
                scene = library.provenance(out.prediction).get("scene")
                state.select(prediction=out.prediction, layer=out.layer, scene=scene, model=job.request.get("model"))
            except (OSError, ValueError):  # deleted or damaged meanwhile: there is nothing to take over
                pass
        elif out.layer and _same(job.request.get("prediction"), state.selection().prediction):
            state.select(layer=out.layer)
        elif out.prepared:
            state.select(prepared=out.prepared)
        state.set_seen_until(ended)


_COLLECTED = ("predict", "demo", "vectorize", "prepare")


def _same(one: str | Path | None, other: Path | None) -> bool:
    return one is not None and other is not None and Path(one).resolve() == other.resolve()


def _act(action: Callable[[], object]) -> None:
    try:
        refuse_if_read_only()
        action()
    except GroundlineError as error:
        st.toast(in_markdown(sentence(error)), icon=":material/error:")


def _controls(job: Job, status: dict, key: str, pausable: bool) -> None:
    """Buttons that fit the state; while a job is active they keep their places, because a button that moves misses its click."""
    state_now = status["state"]
    if job.active:
        if pausable:
            _button("Pause", "pause", f"{key}_pause", job.pause, "Keeps everything in memory and waits.", state_now == "running")
            _button("Resume", "play_arrow", f"{key}_resume", job.resume, "Goes on where it paused.", state_now in ("pausing", "paused"))
        _button("Stop", "stop", f"{key}_stop", job.stop, "Ends within one step; what is finished is kept.", state_now != "stopping")
        return
    if pausable and state_now in ("stopped", "failed", "died"):
        _button("Resume", "play_arrow", f"{key}_resume", job.resume, "Goes on where it was left.")
    hint = "Moves it to the trash."
    if state_now in ("failed", "died") and st.button("Dismiss", icon=":material/close:", key=f"{key}_dismiss", **changing(hint)):
        refuse_if_read_only()
        job.delete()
        st.rerun()


def _button(label: str, icon: str, key: str, action: Callable[[], object], hint: str, enabled: bool = True) -> None:
    st.button(label, icon=f":material/{icon}:", key=key, on_click=_act, args=(action,), **changing(hint, disabled=not enabled))
