"""Several runs against each other: scores, the settings in which they differ, curves, classes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import pandas as pd
import streamlit as st

from core.jobs import runs
from core.jobs.jobs import Job
from core.words import duration_words
from ui import tables
from ui.input import KEEP
from ui.runs import read
from ui.train import check_charts

_CURVES = {
    "val_mean_iou": "Validation mean IoU",
    "val_loss": "Validation loss",
    "loss": "Training loss",
    "val_accuracy": "Validation accuracy",
    "mean_iou": "Training mean IoU",
    "learning_rate": "Learning rate",
}
_MOST = 8


def panel(every: Sequence[Job]) -> None:
    """Choose runs and see them over each other; live while one of them runs."""
    by_name = {job.name: job for job in every}
    read.compare_known(list(by_name))
    picked = st.multiselect(
        "Runs",
        list(by_name),
        format_func=lambda name: by_name[name].title,
        key=read.COMPARED,
        max_selections=_MOST,
        help="Two to eight runs; the newest two unless you choose others.",
        placeholder="Choose runs",
        **KEEP,
    )
    if len(picked) < 2:
        st.info("Choose two runs or more to see them over each other.", icon=":material/stacked_line_chart:")
        return
    chosen = [by_name[name] for name in picked]
    active = any(job.active for job in chosen)

    @st.fragment(run_every=2.0 if active else None)
    def follow() -> None:
        if active and not any(job.active for job in chosen):
            st.rerun()
        _draw(chosen)

    follow()


def _draw(chosen: Sequence[Job]) -> None:
    titles = _titles(chosen)
    records = {job.name: runs.lines(job) for job in chosen}
    waiting = read.queue()
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown("**Scores**")
        tables.show(
            pd.DataFrame([_scores(job, titles[job.name], records[job.name], waiting) for job in chosen]),
            hide_index=True,
            height="content",
            column_config={"best val. IoU": st.column_config.ProgressColumn(format="%.3f", min_value=0.0, max_value=1.0)},
        )
    with right:
        st.markdown("**Settings that differ**")
        _differences(chosen, titles)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        key = st.selectbox(
            "Curve", list(_CURVES), format_func=_CURVES.get, key="compare_curve", width=240, help="What to lay over each other.", **KEEP
        )
        over = st.segmented_control(
            "Over",
            ["epochs", "minutes"],
            default="epochs",
            required=True,
            key="compare_over",
            help="Minutes show which one is there sooner.",
            **KEEP,
        )
        smoothing = st.slider("Smoothing", 0.0, 0.9, 0.0, 0.1, key="compare_smooth", width=200, help="Evens out the curves.", **KEEP)
        log = st.toggle("Logarithmic", key="compare_log", help="For losses and rates.", **KEEP)
    curves = {titles[name]: _points(lines, key, over == "minutes") for name, lines in records.items() if not runs.by_class(lines)}
    if any(curves.values()):
        figure = check_charts.compared(curves, title=_CURVES[key], unit="epoch" if over == "epochs" else over, smoothing=smoothing, log=log)
        st.plotly_chart(figure, key="compare_chart")
    else:
        st.caption("Curves appear after the first epochs.")
    if len(curves) < len(chosen):
        st.caption("Runs with one network per class have no common curve; their scores and classes are compared.")
    classes = {titles[job.name]: _classes(records[job.name]) for job in chosen}
    if any(classes.values()):
        st.markdown("**IoU of each class** at the best epoch, on validation")
        st.plotly_chart(check_charts.class_bars({name: scores for name, scores in classes.items() if scores}), key="compare_classes")


def _titles(chosen: Sequence[Job]) -> dict[str, str]:
    """The runs' titles; those that share one are numbered from the oldest."""
    same: dict[str, list[str]] = {}
    for job in sorted(chosen, key=lambda job: job.name):
        same.setdefault(job.title, []).append(job.name)
    return {job.name: job.title if len(same[job.title]) == 1 else f"{job.title} ({same[job.title].index(job.name) + 1})" for job in chosen}


def _scores(job: Job, title: str, records: Sequence[dict[str, Any]], waiting: Sequence[Job]) -> dict[str, Any]:
    top, took = runs.best(records), runs.seconds(records, job.status())
    return {
        "run": title,
        "state": read.state_words(job, waiting),
        "best val. IoU": runs.score(job, records),
        "best epoch": top["epoch"] if top and not runs.by_class(records) else None,
        "epochs": len(records),
        "time": duration_words(took or None),
    }


def _differences(chosen: Sequence[Job], titles: dict[str, str]) -> None:
    rows = runs.settings_differences({job.name: runs.settings_of(job) for job in chosen})
    values = {
        name.replace("_", " "): {titles[run]: read.value_words(name, value) for run, value in row.items()} for name, row in rows.items()
    }
    data = {job.name: read.data_words(job) for job in chosen}
    if len(set(data.values())) > 1:
        values["patches"] = {titles[name]: words for name, words in data.items()}
        st.warning("They were trained on different patches: their scores are not of the same pixels.", icon=":material/warning:")
    if not values:
        st.caption("None: they differ by chance only.")
        return
    frame = pd.DataFrame(values).T
    frame.index.name = "setting"
    tables.show(frame, height="content", names=list(frame.columns))


def _points(records: Sequence[dict[str, Any]], key: str, minutes: bool) -> list[tuple[float, float | None]]:
    if not minutes:
        return [(record["epoch"], record.get(key)) for record in records]
    spent = accumulate(record.get("seconds") or 0.0 for record in records)
    return [(at / 60, record.get(key)) for at, record in zip(spent, records, strict=True)]


def _classes(records: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    """IoU of each class at the best epoch; with one network per class, at each network's own."""
    parts = runs.by_class(records)
    if parts:
        tops = {name: runs.best(part) for name, part in parts.items()}
        return {name: (top.get("val_iou") or {}).get(name) for name, top in tops.items() if top}
    top = runs.best(records)
    return dict((top or {}).get("val_iou") or {})
