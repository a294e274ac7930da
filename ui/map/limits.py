"""Limits of single classes for the outlines: a smallest area and a threshold of their own."""

from __future__ import annotations

import math

import streamlit as st

from core.colours.meanings import meaning_of
from core.errors import GroundlineError
from core.plain import in_markdown
from core.vector.settings import SMALLEST_M2
from ui import library
from ui.map.sources import MapSource

LARGEST = 100_000
"""The largest smallest area that can be set, in m2 or px."""
CHOSEN = "map_limits"
"""Key of the choice of classes with limits of their own."""


def form(source: MapSource, *, metres: bool, area: float) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """`min_areas` and `thresholds` as the user sets them; `area` is the common smallest one, in m2 where `metres`, else in pixels."""
    names, unit = source.scheme.names, "m2" if metres else "px"
    chosen = st.multiselect(
        "Own limits for",
        names,
        key=CHOSEN,
        placeholder="No class",
        persist_state="session",
        help="Gives these classes a smallest area and a confidence of their own; the others have the common ones.",
    )
    best = _best_thresholds(source) if chosen else {}
    areas, thresholds = [], []
    for name in chosen:
        left, right = st.columns(2, vertical_alignment="bottom")
        usual = SMALLEST_M2.get(getattr(meaning_of(name), "name", ""), area) if metres else area
        least = left.number_input(
            f"{in_markdown(name)}: smallest area, {'m²' if metres else 'px'}",
            0,
            LARGEST,
            round(usual),
            key=f"map_least_{unit}_{name}",
            persist_state="session",
            help="Proposed is what such a class is commonly mapped with." if metres else "Smaller patches of it join a neighbour.",
        )
        areas.append(f"{name}={least}{unit}")
        sure = right.slider(
            f"{in_markdown(name)}: confidence from, %",
            0,
            100,
            0,
            key=_key(name),
            persist_state="session",
            disabled=source.prediction is None,
            help="Less certain pixels of it belong to no polygon.",
        )
        if source.prediction is not None:
            thresholds.append(f"{name}={sure / 100:g}")
    if chosen and source.prediction is not None:
        known = {name: best[name] for name in chosen if name in best}
        st.button(
            "Best of the evaluation",
            key="map_limits_best",
            icon=":material/target:",
            disabled=not known,
            on_click=_take,
            args=(known,),
            help="Takes the confidences with the highest F1 from the newest evaluation of this model."
            if known
            else "There is no evaluation of this model with these classes yet: Predict, Evaluation makes one.",
        )
    return tuple(areas), tuple(thresholds)


def _key(name: str) -> str:
    return f"map_sure_{name}"


def _take(best: dict[str, float]) -> None:
    for name, threshold in best.items():
        st.session_state[_key(name)] = round(100 * threshold)


def _best_thresholds(source: MapSource) -> dict[str, float]:
    """The threshold with the highest F1 of each class that the newest evaluation of the prediction's model has seen, 0 to 1."""
    if source.prediction is None:
        return {}
    model = library.prediction(source.prediction).card_name
    for folder in library.sort_evaluations()[0]:
        try:
            one = library.evaluation(folder)
        except (GroundlineError, OSError):  # gone meanwhile
            continue
        if one.model == model:
            found = {name: one.thresholds(name).best for name in one.scheme.names}
            return {name: best for name, best in found.items() if not math.isnan(best)}
    return {}
