"""The Evaluation tab of the Train and the Predict page: start one, follow it, read what it found."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.evaluation.report import PARTS
from core.evaluation.result import Evaluation
from ui import (
    evaluation_compare,
    evaluation_files,
    evaluation_form,
    evaluation_honest,
    evaluation_pictures,
    evaluation_runs,
    evaluation_scores,
    evaluation_trust,
    frame,
    jobs_view,
)
from ui.evaluation_runs import Run

TITLE = "Evaluation"
_JOBS = ("evaluate", "random_split", "compare")
_SECTIONS: dict[str, tuple[str, Callable[[Run], None]]] = {
    "Classes": (":material/category:", evaluation_scores.classes),
    "Scenes": (":material/photo_library:", evaluation_scores.scenes),
    "Worst patches": (":material/broken_image:", evaluation_pictures.worst_patches),
    "Label errors": (":material/edit_off:", evaluation_pictures.label_errors),
    "Confidence": (":material/balance:", evaluation_trust.calibration),
    "Thresholds": (":material/tune:", evaluation_trust.thresholds),
    "Areas": (":material/square_foot:", evaluation_trust.areas),
    "Honest?": (":material/verified:", evaluation_honest.optimistic),
    "Compare": (":material/compare_arrows:", evaluation_compare.compare),
    "Downloads": (":material/download:", evaluation_files.downloads),
}


def of_runs() -> None:
    """The tab on the Train page: the model trained last is chosen at first."""
    tab(evaluation_runs.last_trained())


def tab(first_model: str | None = None) -> None:
    """The whole tab; `first_model` is chosen at first instead of the selected model."""
    every = evaluation_runs.runs()
    job = jobs_view.newest(*_JOBS)
    watched = job is not None and job.status()["state"] not in ("finished", "stopped")
    if watched:
        with st.container(border=True, key="evaluation_job"):
            jobs_view.progress(job.folder, "evaluation")
    with st.expander(
        "Evaluate another model or data set" if every else "Evaluate a model",
        icon=":material/add:",
        expanded=not every and not watched,
        key=f"evaluation_setup_{bool(every)}_{watched}",
    ):
        if not every:
            st.markdown(
                "Groundline predicts scenes that have masks, as you would, and compares pixel by pixel: scores with intervals, where the "
                "model errs, which labels look wrong, and how far its confidence can be trusted."
            )
        with frame.errors() as outcome:
            started = evaluation_form.form(first_model)
        if started and not outcome.failed:
            st.rerun()
    if every:
        _results(every)


@st.fragment
def _results(every: list[Run]) -> None:
    """One evaluation, section by section; only the open section is drawn."""
    run = st.selectbox(
        "Evaluation", every, format_func=lambda one: one.label, key=f"evaluation_shown_{every[0].folder.name}", help="Newest first."
    )
    with frame.errors():
        headline(run.evaluation)
        section = st.segmented_control(
            "Section",
            list(_SECTIONS),
            default="Classes",
            required=True,
            format_func=lambda name: f"{_SECTIONS[name][0]} {name}",
            key="evaluation_section",
            label_visibility="collapsed",
            persist_state="session",
        )
        _SECTIONS[section][1](run)


def headline(evaluation: Evaluation) -> None:
    """What was measured on what, and the scores of all pixels with their intervals."""
    one, found = evaluation.confusion, evaluation.intervals
    held_out = evaluation.scenes == "test" or (evaluation.scenes == "all" and not evaluation.notes)
    count = len(evaluation.results)
    where = PARTS[evaluation.scenes]
    if evaluation.settings.get("random_patches_only"):
        where = f"the {evaluation.scenes} patches of a {evaluation.split} split, in scenes that it was trained on"
        held_out = False
    with st.container(horizontal=True, vertical_alignment="center"):
        if held_out:
            st.badge("Not seen in training", icon=":material/verified:", color="green")
        elif evaluation.scenes == "validation" and not evaluation.notes:
            st.badge("Chose the epoch", icon=":material/info:", color="blue")
        else:
            st.badge("Too high: seen in training", icon=":material/warning:", color="orange")
        st.markdown(
            f"Measured on {where}: {count} scene{'s' if count != 1 else ''} of {evaluation.dataset}, {one.pixels:,} labelled pixels; "
            f"{one.ignored_pixels:,} unlabelled ones do not count.",
            width="stretch",
        )
    for note in evaluation.notes:
        st.warning(note, icon=":material/warning:")
    for column, (key, (label, words)) in zip(st.columns(len(evaluation_scores.SINGLE)), evaluation_scores.SINGLE.items(), strict=True):
        ends = found.of(key)
        column.metric(
            label, evaluation_scores.number(getattr(one, key)), border=True, help=words, delta_color="off", delta_arrow="off",
            delta=None if ends is None else f"{ends[0]:.3f} to {ends[1]:.3f}",
        )  # fmt: skip
    ignored = evaluation.with_ignored
    absent = [name for name, there in zip(evaluation.scheme.names, one.present, strict=True) if not there]
    words = [found.text]
    if ignored.pixels > one.pixels:
        words.append(f"With unlabelled pixels counted as errors: accuracy {ignored.accuracy:.3f}, mean IoU {ignored.mean_iou:.3f}.")
    if absent:
        words.append(f"Absent from these masks, and left out of the means: {', '.join(absent)}.")
    st.caption(" ".join(words))
