"""The Evaluation tab of the Train and the Predict page: start one, follow it, read what it found."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.evaluation.report import PART_WORDS
from core.plain import in_markdown
from core.words import number_words
from ui import broken, frame, jobs_view
from ui.evaluate import compare, files, form, honest, pictures, runs, scores, trust
from ui.evaluate.runs import EvaluationRun

TITLE = "Evaluation"
_JOBS = ("evaluate", "random_split", "compare")
_SECTIONS: dict[str, Callable[[EvaluationRun], None]] = {
    "Classes": scores.classes,
    "Scenes": scores.scenes,
    "Worst patches": pictures.worst_patches,
    "Label errors": pictures.label_errors,
    "Confidence": trust.calibration,
    "Thresholds": trust.thresholds,
    "Areas": trust.areas,
    "Honest?": honest.optimistic,
    "Compare": compare.compare,
    "Downloads": files.downloads,
}
_BADGES = {
    "unseen": ("Not seen in training", "verified", "green"),
    "chose": ("Chose the epoch", "info", "blue"),
    "seen": ("Too high: seen in training", "warning", "orange"),
    "unknown": ("Training scenes not known", "help", "gray"),
}


def of_runs() -> None:
    """The tab on the Train page: the model trained last is chosen at first."""
    tab(runs.last_trained())


def tab(first_model: str | None = None) -> None:
    """The whole tab; `first_model` is chosen at first instead of the selected model."""
    every = runs.runs()
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
        with frame.errors():
            if form.form(first_model):
                st.rerun()
    if every:
        _results(every)
    broken.show("evaluations")


@st.fragment
def _results(every: list[EvaluationRun]) -> None:
    """One evaluation, section by section; only the open section is drawn."""
    run = st.selectbox(
        "Evaluation", every, format_func=lambda one: one.label, key=f"evaluation_shown_{every[0].folder.name}", help="Newest first."
    )
    with frame.errors():
        headline(run)
        section = st.segmented_control(
            "Section",
            list(_SECTIONS),
            default="Classes",
            required=True,
            key="evaluation_section",
            label_visibility="collapsed",
            persist_state="session",
        )
        _SECTIONS[section](run)


def headline(run: EvaluationRun) -> None:
    """What was measured on what, and the scores of all pixels with their intervals."""
    evaluation = run.evaluation
    one, found = evaluation.confusion, evaluation.intervals
    count = len(evaluation.results)
    where = PART_WORDS[evaluation.scenes]
    if evaluation.settings.get("random_patches_only"):
        where = f"the {evaluation.scenes} patches of a {evaluation.split} split, in scenes that it was trained on"
    with st.container(horizontal=True, vertical_alignment="center"):
        words, icon, colour = _BADGES[run.standing]
        st.badge(words, icon=f":material/{icon}:", color=colour)
        st.markdown(
            f"Measured on {in_markdown(where)}: {count} scene{'s' if count != 1 else ''} of {in_markdown(evaluation.dataset)}, "
            f"{one.pixels:,} labelled pixels; {one.ignored_pixels:,} unlabelled ones do not count.",
            width="stretch",
        )
    for note in evaluation.notes:
        st.warning(in_markdown(note), icon=":material/warning:")
    for column, (key, (label, words)) in zip(st.columns(len(scores.SINGLE)), scores.SINGLE.items(), strict=True):
        ends = found.of(key)
        column.metric(
            label,
            number_words(getattr(one, key)),
            border=True,
            help=words,
            delta_color="off",
            delta_arrow="off",
            delta=None if ends is None else f"{ends[0]:.3f} to {ends[1]:.3f}",
        )
    ignored = evaluation.with_ignored
    absent = [name for name, there in zip(evaluation.scheme.names, one.present, strict=True) if not there]
    words = [found.text]
    groups = evaluation.per_group
    if 1 < len(groups) < len(evaluation.results):
        each = ", ".join(f"{in_markdown(name)} {number_words(group.mean_iou)}" for name, group in groups.items())
        words.append(f"Mean over the {len(groups)} groups, each alike: mean IoU {evaluation.mean_iou_over_groups:.3f} ({each}).")
    if ignored.pixels > one.pixels:
        words.append(f"With unlabelled pixels counted as errors: accuracy {ignored.accuracy:.3f}, mean IoU {ignored.mean_iou:.3f}.")
    if absent:
        words.append(f"Absent from these masks, and left out of the means: {in_markdown(', '.join(absent))}.")
    st.caption(" ".join(words))
