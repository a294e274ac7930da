"""Scores of an evaluation by class and by scene."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core.plain import in_markdown
from core.words import number_words
from ui import state, tables
from ui.evaluate import charts
from ui.evaluate.runs import EvaluationRun

SINGLE = {
    "accuracy": ("Accuracy", "Share of the labelled pixels with the right class."),
    "mean_iou": ("Mean IoU", "Intersection over union, averaged over the classes that occur: small classes weigh as much as large ones."),
    "micro_iou": ("Micro IoU", "Intersection over union of all classes pooled: large classes weigh more."),
    "mean_f1": ("Mean F1", "Harmonic mean of precision and recall, averaged over the classes that occur."),
    "kappa": ("Kappa", "Agreement beyond chance (Cohen): 0 is guessing, 1 is perfect."),
}
NO_BAR = {"displayModeBar": False}
"""For charts that nobody zooms: the bar of buttons would lie on their words."""
_ORDERS = {"counts": "Pixels", "row": "By row", "column": "By column"}
_SCORE_HELP = {
    "iou": "Pixels that both mask and prediction give the class, over those that either does.",
    "precision": "Of what was predicted as the class, the share that is.",
    "recall": "Of what is the class, the share that was found.",
    "f1": "Harmonic mean of precision and recall.",
    "boundary_iou": "IoU of narrow strips along the outlines: how well borders lie.",
}


def classes(run: EvaluationRun) -> None:
    """Confusion matrix, bars by class, and the numbers behind them."""
    evaluation = run.evaluation
    scheme, one = state.shown(evaluation.scheme), evaluation.confusion
    st.subheader("Scores of each class", anchor=False)
    st.plotly_chart(charts.class_bars(evaluation, scheme), key="evaluation_bars", config=NO_BAR)
    some = any(evaluation.intervals.of(key, place) for key in charts.SCORES for place in range(len(scheme)))
    st.caption(
        f"{'Whiskers are 95 % intervals over scenes. ' if some else ''}"
        f"Boundary IoU compares strips of {evaluation.settings.get('boundary_px', '–')} px along the outlines."
    )
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("What is taken for what", anchor=False)
        by = st.segmented_control(
            "Shares",
            list(_ORDERS),
            default="row",
            required=True,
            format_func=_ORDERS.get,
            key="evaluation_matrix_by",
            persist_state="session",
            help="By row: of what is a class, where it went (recall on the diagonal). By column: of what was predicted as a class, what "
            "it is (precision on the diagonal).",
        )
        st.plotly_chart(
            charts.confusion(scheme, one.counts, by, dark=st.context.theme.type == "dark"),
            key="evaluation_matrix",
            config=NO_BAR,
        )
        absent = [name for name, there in zip(scheme.names, one.present, strict=True) if not there]
        st.caption("Blue is right, orange is wrong." + (f" Absent from the masks: {in_markdown(', '.join(absent))}." if absent else ""))
    with right:
        st.subheader("Confused most", anchor=False)
        _confused(run)
    with st.expander("All numbers by class"):
        _table(run)
    if evaluation.polygons:
        _objects(run)


def scenes(run: EvaluationRun) -> None:
    """A line for each scene, worst first."""
    evaluation = run.evaluation
    rows = []
    for result in evaluation.results:
        one = result.confusion
        absent = [name for name, there in zip(evaluation.scheme.names, one.present, strict=True) if not there]
        rows.append(
            {"scene": result.name, "group": result.group, "mean IoU": one.mean_iou, "accuracy": one.accuracy, "kappa": one.kappa}
            | {name: float(value) for name, value in zip(evaluation.scheme.names, one.iou, strict=True)}
            | {"labelled": one.pixels, "unlabelled": one.ignored_pixels, "absent": ", ".join(absent)}
        )
    table = pd.DataFrame(rows).sort_values("mean IoU", na_position="last")
    st.caption("Worst first. The columns with a class' name hold its IoU; empty where the class is not in that scene.")
    shares = {
        name: st.column_config.NumberColumn(format="%.2f", help=f"IoU of {name} in this scene")
        for name in (*evaluation.scheme.names, "kappa")
    }
    tables.show(
        table,
        hide_index=True,
        key="evaluation_scenes",
        placeholder="–",
        column_config=shares
        | {
            "mean IoU": st.column_config.ProgressColumn(format="%.3f", min_value=0.0, max_value=1.0, help="Over the classes in this scene"),
            "accuracy": st.column_config.NumberColumn(format="%.3f"),
            "labelled": st.column_config.NumberColumn("labelled px", format="localized"),
            "unlabelled": st.column_config.NumberColumn("unlabelled px", format="localized"),
        },
    )
    groups = table.groupby("group")["mean IoU"].mean()
    if 1 < len(groups) < len(table):
        means = ", ".join(f"{name} {value:.3f}" for name, value in groups.sort_values().items())
        st.caption(f"Mean over the scenes of a group: {in_markdown(means)}.")


def _confused(run: EvaluationRun) -> None:
    counts, names = run.evaluation.confusion.counts, run.evaluation.scheme.names
    wrong = np.where(np.eye(len(names), dtype=bool), 0, counts)
    total = max(1, wrong.sum())
    order = np.argsort(-wrong, axis=None, kind="stable")[:6]
    rows = [
        {
            "is": names[place // len(names)],
            "taken for": names[place % len(names)],
            "pixels": int(wrong.flat[place]),
            "of all errors": 100 * wrong.flat[place] / total,
        }
        for place in order
        if wrong.flat[place]
    ]
    if not rows:
        st.markdown("Not a single labelled pixel is wrong.")
        return
    tables.show(
        pd.DataFrame(rows),
        hide_index=True,
        key="evaluation_confused",
        column_config={
            "pixels": st.column_config.NumberColumn(format="localized"),
            "of all errors": st.column_config.ProgressColumn(
                format="%.0f %%", min_value=0, max_value=100, help="Share of all wrong pixels"
            ),
        },
    )


def _table(run: EvaluationRun) -> None:
    evaluation = run.evaluation
    one, ignored = evaluation.confusion, evaluation.with_ignored
    rows = []
    for place, name in enumerate(evaluation.scheme.names):
        row = {"class": name if one.present[place] else f"{name} (absent)"}
        for key, label in charts.SCORES.items():
            value = evaluation.boundary_iou[place] if key == "boundary_iou" else getattr(one, key)[place]
            ends = evaluation.intervals.of(key, place)
            row[label] = number_words(value) + (f"  ({ends[0]:.3f} to {ends[1]:.3f})" if ends else "")
        row["Kappa"] = number_words(one.class_kappa[place])
        row["IoU with unlabelled as errors"] = number_words(ignored.iou[place])
        row["pixels"] = int(one.counts[place].sum())
        rows.append(row)
    helps = {label: st.column_config.TextColumn(help=_SCORE_HELP[key]) for key, label in charts.SCORES.items()}
    tables.show(pd.DataFrame(rows), hide_index=True, column_config=helps | {"pixels": st.column_config.NumberColumn(format="localized")})


def _objects(run: EvaluationRun) -> None:
    st.subheader("Objects found", anchor=False)
    rows = [
        {
            "class": name,
            "in the masks": score.truth,
            "predicted": score.predicted,
            "matched": score.matched,
            "precision": score.precision,
            "recall": score.recall,
            "F1": score.f1,
        }
        for name, score in run.evaluation.polygons.items()
    ]
    tables.show(
        pd.DataFrame(rows),
        hide_index=True,
        key="evaluation_objects",
        column_config={name: st.column_config.NumberColumn(format="%.3f") for name in ("precision", "recall", "F1")},
    )
    st.caption("An object is matched when it overlaps one of the mask by half or more (IoU 0.5), one to one.")
