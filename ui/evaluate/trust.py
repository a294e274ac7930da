"""How far a model's confidence, its thresholds and its areas can be trusted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core.plain import in_markdown
from core.words import number_words, share_words
from ui import frame, state, tables
from ui.allowed import changing, refuse_if_read_only
from ui.evaluate import charts
from ui.evaluate.runs import EvaluationRun
from ui.evaluate.scores import NO_BAR


def calibration(run: EvaluationRun) -> None:
    """Reliability before and after the temperature, and the button that stores it."""
    evaluation = run.evaluation
    found = evaluation.calibration
    left, right = st.columns([3, 2], gap="large")
    with left:
        before, after = (evaluation.reliability, None) if found is None else (found.before, found.after)
        st.plotly_chart(charts.reliability(before, after), key="evaluation_reliability", config=NO_BAR)
    with right:
        ece = evaluation.reliability.ece
        st.metric(
            "Expected calibration error",
            f"{ece:.3f}",
            border=True,
            help="Mean distance between what the model says and how often it is right, over all labelled pixels. 0 is perfect.",
        )
        gap = float(np.nansum((evaluation.reliability.confidence - evaluation.reliability.accuracy) * evaluation.reliability.pixels))
        st.markdown(
            f"On average the model is {'too sure' if gap > 0 else 'not sure enough'}: "
            f"a stated confidence is off by {100 * ece:.0f} percentage points."
            if ece >= 0.01
            else "The model is about as often right as it says."
        )
        if found is None:
            st.markdown("There were too few pixels to fit a temperature.")
            return
        a, b = st.columns(2)
        a.metric("Temperature", f"{found.temperature:.2f}", border=True, help="Above 1 makes probabilities less sure, below 1 surer.")
        b.metric(
            "ECE with it",
            f"{found.after.ece:.3f}",
            border=True,
            help=f"On the {found.pixels:,} sampled pixels on which it was fitted, where it was {found.before.ece:.3f} before.",
        )
        st.markdown("A temperature changes how sure the model is, never which class wins, so no other score moves.")
        _store(run)


def _store(run: EvaluationRun) -> None:
    """The button that writes the temperature to the card, or why it is not there."""
    evaluation, model = run.evaluation, run.model
    if evaluation.scenes != "validation":
        st.info(
            "It can be stored once it is fitted on validation scenes: evaluate those. Fitted here, it would make this part look better "
            "calibrated than new scenes are.",
            icon=":material/info:",
        )
    elif model is None:
        st.info("The model is not there any more, so the temperature cannot be stored.", icon=":material/info:")
    elif abs(model.card.temperature - evaluation.calibration.temperature) < 5e-4:
        st.success(
            f"The card of {in_markdown(model.card.name)} holds this temperature; predictions use it.", icon=":material/check_circle:"
        )
    elif abs(model.card.temperature - evaluation.calibration.applied) > 1e-9:
        st.info(
            f"The card holds {model.card.temperature:g}, this evaluation was made with {evaluation.calibration.applied:g}. Evaluate again.",
            icon=":material/info:",
        )
    elif st.button(
        "Store in the model's card",
        icon=":material/save:",
        type="primary",
        key="evaluation_store",
        **changing("Every later prediction with this model states its confidence with this temperature. The label of no pixel changes."),
    ):
        from core.evaluation.evaluate import store_temperature  # brings what predicts scenes, for this one click

        with frame.errors() as outcome:
            refuse_if_read_only()
            store_temperature(model, evaluation)
        if not outcome.failed:
            st.rerun()


def thresholds(run: EvaluationRun) -> None:
    """Precision and recall of a class at any threshold, from the histogram: nothing is predicted again."""
    evaluation, scheme = run.evaluation, state.shown(run.evaluation.scheme)
    known = [name for name, there in zip(scheme.names, evaluation.confusion.present, strict=True) if there]
    if not known:
        st.info("No class occurs in these masks.", icon=":material/info:")
        return
    left, right = st.columns([1, 2], gap="large", vertical_alignment="bottom")
    name = left.selectbox("Class", known, key="evaluation_threshold_class", help="Classes that occur in the masks.")
    curve, key = evaluation.thresholds(name), f"evaluation_threshold_{name}"
    chosen = right.slider(
        "Pixels count as the class from this probability on",
        0.0,
        1.0,
        0.5,
        0.01,
        key=key,
        help="Higher: fewer false finds, more is missed. Answered from one histogram of all pixels, so nothing is predicted again.",
    )
    now = curve.at(chosen)
    columns = st.columns(5, vertical_alignment="center")
    words = {
        "precision": ("Precision", "Of the pixels above the threshold, the share that is the class."),
        "recall": ("Recall", "Of the class' pixels, the share above the threshold."),
        "f1": ("F1", "Harmonic mean of the two."),
        "coverage": ("Area", "Share of all labelled pixels that lie above the threshold."),
    }
    for column, (score, (title, meaning)) in zip(columns, words.items(), strict=False):
        value = now[score]
        shown = share_words(value, 1) if score == "coverage" else number_words(value)
        column.metric(title, shown, border=True, help=meaning)
    best = curve.best
    columns[4].button(
        f"Best F1: {best:.2f}",
        icon=":material/target:",
        key="evaluation_threshold_best",
        on_click=_take,
        args=(key, best),
        help="Sets the threshold with the highest F1. Chosen on these scenes, it is a little too good for new ones.",
    )
    first, second = st.columns(2, gap="large")
    first.plotly_chart(charts.thresholds(curve, chosen), key="evaluation_threshold_curve", config=NO_BAR)
    second.plotly_chart(charts.precision_recall(evaluation, scheme, name, chosen), key="evaluation_precision_recall", config=NO_BAR)
    st.caption(
        "Left: the class at every threshold. Right: all classes; the dot is the chosen threshold. The map can take the best ones for its "
        "outlines: **How outlines are drawn**, Own limits."
    )


def _take(key: str, value: float) -> None:
    st.session_state[key] = round(value, 2)


def areas(run: EvaluationRun) -> None:
    """Class areas as mapped and corrected for the map's own errors."""
    evaluation, scheme = run.evaluation, state.shown(run.evaluation.scheme)
    if not sum(one.mapped.sum() for one in evaluation.results):
        st.info("No pixel was mapped, so there are no areas.", icon=":material/info:")
        return
    found, metres = evaluation.areas(), evaluation.pixel_area_m2
    hectares = metres is not None and found.mapped.sum() > 1e5
    factor, unit = (1e-4, "ha") if hectares else (1.0, "m²" if metres is not None else "px")
    found = type(found)(**{**vars(found), **{key: factor * getattr(found, key) for key in ("mapped", "estimated", "half_width")}})
    st.markdown(
        "Areas counted on a map carry the map's errors: what it misses is missing, what it invents is added. The adjusted areas correct "
        "for the errors seen against the masks, with 95 % intervals."
    )
    left, right = st.columns(2, gap="medium")
    left.plotly_chart(charts.areas(found, scheme, unit), key="evaluation_areas", config=NO_BAR)
    digits = st.column_config.NumberColumn(format="%,.1f" if hectares else "%,.0f")
    share = st.column_config.NumberColumn(format="%.2f")
    rows = pd.DataFrame(
        {
            "class": scheme.names,
            f"mapped, {unit}": found.mapped,
            f"adjusted, {unit}": found.estimated,
            f"±, {unit}": found.half_width,
            "user's": found.users,
            "producer's": found.producers,
        }
    )
    tables.show(
        rows,
        hide_index=True,
        key="evaluation_area_table",
        column_config={name: digits for name in rows.columns[1:4]} | {"user's": share, "producer's": share},
        on=right,
    )
    right.caption("User's accuracy: of what the map shows as the class. Producer's: of what the class is on the ground.")
    st.caption(
        f"Stratified estimator of Olofsson et al. (2014) from {found.sample:,} places, one every "
        f"{evaluation.settings.get('grid_px', '–')} px. "
        "Such places are not fully independent, so the intervals are rather too narrow. Pale bars: as mapped."
        + ("" if metres is not None else " The ground size of a pixel is not known, so areas are in pixels.")
    )
