"""A training run on the page: live numbers, curves, patches and log, and what can be done with it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image

from core.classes import ClassScheme
from core.jobs import runs
from core.jobs.jobs import Job
from core.model_store.cards import CARD_FILE
from core.plain import in_chart, in_markdown
from core.training.event_files import EVENTS_FOLDER
from core.training.previews import recoloured
from core.words import duration_words
from ui import charts, frame, jobs_view, library, state, tables
from ui.allowed import changing
from ui.input import KEEP
from ui.runs import read
from ui.train import data, forms, models, zips

_LOG_LINES = 14
_CHATTER = ("I0000 ", "WARNING: All log messages before absl", "cuInit")
"""What is in lines that TensorFlow always prints and that say nothing about a run."""


def panel(job: Job) -> None:
    """One run: state, buttons, numbers, curves, patches, log; live while it runs."""
    with st.container(border=True, key="run_panel"):
        jobs_view.progress(job.folder, f"run_{job.name}", pausable=True, actions=actions, body=_body)


def others(active: Sequence[Job]) -> None:
    """The other runs that are at work or wait, each live with its bar."""
    for job in active:
        with st.container(border=True, key=f"also_{job.name}"), frame.errors():
            jobs_view.progress(job.folder, f"also_{job.name}", pausable=True, actions=_show)


def _show(job: Job) -> None:
    if st.button("Show", icon=":material/monitoring:", key=f"show_{job.name}", help="Its numbers and curves, in the place above."):
        read.show(job.name)
        st.rerun(scope="app")


def actions(job: Job) -> None:
    """What can be done with a run besides pausing it."""
    model = Path(job.request["out"])
    if not job.active and (model / CARD_FILE).is_file() and runs.lines(job):
        if st.button("Use this model", type="primary", icon=":material/auto_awesome:", key="use_model", help="Predict a scene with it."):
            state.select(model=model)
            state.open_setup()
            st.switch_page(frame.PAGES["predict"][0])
        if st.button(
            "Export", icon=":material/ios_share:", key="run_export", help="For other programs: SavedModel, ONNX, OpenVINO, Keras."
        ):
            models.choose(str(model))
            read.go(read.MODELS)
            st.rerun(scope="app")
    if st.button(
        "Use its settings", icon=":material/edit_note:", key="run_again", help="Puts them into the form, to change one and start again."
    ):
        forms.fill(job.request["settings"])
        if Path(job.request["prepared"]).is_dir():
            state.select(prepared=job.request["prepared"])
            data.take_also(job.request.get("also") or ())
        read.go(read.NEW)
        st.rerun(scope="app")


def _body(job: Job, status: dict) -> None:
    records = runs.lines(job)
    # The tabs below keep their place, whatever there is to see in these two.
    with st.container():
        _words(job)
        _numbers(job, status, records)
    with st.container():
        if job.active:
            _steps(job, records)
        if records:
            _curves(job, records)
        else:
            _no_curves(job, status)
    _about(job, records)


def _words(job: Job) -> None:
    """Tags and note of a run, where it has any."""
    words = [f":material/sell: {in_markdown(tag)}" for tag in job.tags] + ([in_markdown(job.note)] if job.note else [])
    if words:
        st.caption(" · ".join(words))


def _steps(job: Job, records: Sequence[Mapping[str, Any]]) -> None:
    """The loss within the epoch that runs: the only thing that moves in the first minutes of a long training."""
    now = job.steps()
    if now is None or not now["loss"]:
        return
    asked, of = job.request["settings"].get("epochs"), now.get("class")
    mine = [record for record in records if record.get("class") == of and record["epoch"] == now["epoch"] - 1]
    title = f"Loss within epoch {now['epoch']}{f' of {asked}' if asked else ''}{f', {in_chart(of)}' if of else ''}"
    before = mine[-1].get("loss") if mine else None
    st.plotly_chart(charts.step_curve(now["at"], now["loss"], steps=now["steps"], title=title, before=before), key="train_steps")


def _no_curves(job: Job, status: dict) -> None:
    if status["state"] == "queued":
        st.caption("It starts by itself when the work before it is done.")
    elif job.active:
        began = "" if job.steps() else " TensorFlow needs a few seconds to start."
        st.caption(f"Scores and curves over the epochs appear after the first epoch.{began}")
    else:
        st.caption("It ended before its first epoch was finished, so there is no model yet. Resume it, or start another training.")
        _other_weights(job)


def _curves(job: Job, records: Sequence[Mapping[str, Any]]) -> None:
    asked = job.request["settings"].get("epochs")
    drawn, one = _one_network(records)
    own = library.patches(job.request["prepared"]).scheme
    left, right = st.columns([11, 4], gap="medium")
    with right:
        _previews(runs.pictures(job, records), own)
        smoothing, log = _controls()
    with left:
        top = runs.best(drawn)
        ink = st.get_option(f"theme.{st.context.theme.type or 'light'}.textColor")
        figure = charts.curves(drawn, total=asked, smoothing=smoothing, log=log, best=top["epoch"] if top else None, ink=ink)
        st.plotly_chart(figure, key=f"train_curves_{one}")
        first, second = st.columns([5, 3])
        first.plotly_chart(charts.class_curves(runs.class_lines(records), state.shown(own), total=asked), key="train_classes")
        second.plotly_chart(charts.rate_curve(drawn, total=asked), key=f"train_rate_curve_{one}")


def _numbers(job: Job, status: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> None:
    asked, parts = job.request["settings"].get("epochs"), runs.by_class(records)
    top, score = runs.best(records), runs.score(job, records)
    a, b, c, d = st.columns(4)
    if parts:
        a.metric(
            "Networks begun", f"{len(parts)} of {len(library.patches(job.request['prepared']).scheme)}", border=True, help="One per class."
        )
    else:
        done = records[-1]["epoch"] if records else 0
        a.metric("Epochs done", f"{done} of {asked}" if asked else done, border=True, help="It stops early when nothing improves.")
    b.metric("Best validation IoU", "–" if score is None else f"{score:.3f}", border=True, help="Mean over the classes that occur.")
    c.metric("Best epoch", top["epoch"] if top and not parts else "–", border=True, help="Its weights are the ones that are kept.")
    if job.active:
        left = duration_words(jobs_view.seconds_left(status))
        d.metric("Time left", left, border=True, help="At the pace so far, if nothing stops it early.")
    else:
        took = runs.seconds(records, status)
        d.metric("Took", duration_words(took or None), border=True, help="Time of its epochs, without pauses.")


def _one_network(records: Sequence[Mapping[str, Any]]) -> tuple[Sequence[Mapping[str, Any]], str]:
    """The records to draw; with one network per class, those of the class chosen."""
    parts = runs.by_class(records)
    if not parts:
        return records, ""
    names = list(parts)
    chosen = st.pills(
        "Network of",
        names,
        format_func=in_markdown,
        default=names[-1],
        required=True,
        key=f"train_part_{len(names)}",
        help="Each class has its own.",
    )
    return parts[chosen], chosen


def _controls() -> tuple[float, bool]:
    smoothing = st.slider("Smoothing", 0.0, 0.9, 0.0, 0.1, key="train_smooth", help="Evens out the curves.", **KEEP)
    return smoothing, st.toggle("Logarithmic loss", key="train_log", help="Shows small differences late in a run.", **KEEP)


def _previews(pictures: Sequence[Path], scheme: ClassScheme) -> None:
    if not pictures:
        st.caption("Pictures of validation patches appear here.")
        return
    st.markdown("**The same validation patches** · image, mask, prediction")
    number = len(pictures)
    if number > 1:
        number = st.slider("Epoch shown", 1, number, number, key=f"train_preview_{number}", help="Look back at earlier epochs.")
    with Image.open(pictures[number - 1]) as opened:
        sheet = recoloured(np.asarray(opened.convert("RGB")), scheme, state.shown(scheme))
    st.image(sheet, width="stretch", alt="Image, mask and prediction of a few validation patches")


def _other_weights(job: Job) -> None:
    """A run that could not have its published weights goes on with others, in one click."""
    settings = job.request["settings"]
    if settings.get("weights") != "imagenet" or job.status()["state"] != "failed":
        return
    st.markdown("**Without the ImageNet weights** you can start from random weights, or choose a file or a model of the library.")
    with st.container(horizontal=True):
        if st.button(
            "Start from random weights", icon=":material/casino:", key="run_random", **changing("A new run; the other settings stay.")
        ):
            with frame.errors() as outcome:
                patches = {key: job.request[key] for key in ("prepared", "also") if job.request.get(key)}
                request = {**patches, "settings": {**settings, "weights": "none"}}
                read.show(jobs_view.start("train", request, title=f"{job.title}, random weights").name)
            if not outcome.failed:
                st.rerun(scope="app")
        if st.button(
            "Choose other weights", icon=":material/folder_open:", key="run_other_weights", help="Opens the form with its settings."
        ):
            forms.fill({**settings, "weights": "none"})
            read.go(read.NEW)
            st.rerun(scope="app")


def _about(job: Job, records: Sequence[Mapping[str, Any]]) -> None:
    log, settings, board = st.tabs(["Log", "Settings", "TensorBoard"])
    log.code(_log(job, records) or "Nothing yet.", language=None)
    with settings:
        chosen = runs.settings_of(job)
        plain = {name: value for name, value in chosen.items() if name not in ("augmentation", "name")}
        nested = {f"augmentation: {name}": value for name, value in chosen["augmentation"].items()} if chosen["augment"] else {}
        rows = [(name.replace("_", " "), read.value_words(name, value)) for name, value in {**plain, **nested}.items()]
        st.caption(in_markdown(f"Patches: {read.data_words(job)}."))
        half = -(-len(rows) // 2)
        for column, part in zip(st.columns(2), (rows[:half], rows[half:]), strict=True):
            tables.show(pd.DataFrame(part, columns=["setting", "value"]), hide_index=True, height="content", on=column)
    with board:
        _event_files(job)


def _event_files(job: Job) -> None:
    out = Path(job.request["out"])
    files = sorted(out.rglob(f"{EVENTS_FOLDER}/events.out.tfevents.*"))
    if not files:
        st.caption("The files appear when the network is built.")
        return
    st.markdown("The run's event files, for TensorBoard on this machine:")
    st.code(f'tensorboard --logdir "{out if len(files) > 1 else files[0].parent}"', language=None)
    st.download_button(
        "Event files (zip)",
        data=lambda: zips.pack(files, below=out),
        file_name=f"{job.name}-tensorboard.zip",
        mime="application/zip",
        on_click="ignore",
        icon=":material/download:",
        key="run_events",
        help="To look at on another machine.",
    )


def _log(job: Job, records: Sequence[Mapping[str, Any]]) -> str:
    """Epochs and states with their times, then the last that the process itself printed."""
    events = [event for event in job.events() if event["type"] in ("epoch", "state", "warning")]
    said = [f"{time.strftime('%H:%M:%S', time.localtime(event['time']))}  {_event_words(event)}" for event in events[-_LOG_LINES:]]
    printed = [line for line in job.log_tail(_LOG_LINES).splitlines() if not any(word in line for word in _CHATTER)]
    return "\n".join([*said, *printed[-4 if records else -_LOG_LINES :]])


def _event_words(event: Mapping[str, Any]) -> str:
    if event["type"] == "state":
        return jobs_view.label(event["state"])
    if event["type"] == "warning":
        return str(event["message"])
    named = f"{event['class']}, epoch" if event.get("class") else "Epoch"
    parts = [f"loss {event['loss']:.4g}"]
    if event.get("val_mean_iou") is not None:
        parts.append(f"validation loss {event['val_loss']:.4g}, mean IoU {event['val_mean_iou']:.3f}")
    if event.get("seconds"):
        parts.append(f"{event['seconds']:.1f} s")
    return f"{named} {event['epoch']}: {', '.join(parts)}" + (", best so far" if event.get("best") else "")
